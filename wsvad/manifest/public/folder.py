"""Access to a data set below a root: annotation files by their published names, and videos by their stems."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from wsvad.errors import ManifestError
from wsvad.manifest.listing import VIDEO_EXTENSIONS
from wsvad.storage import ObjectInfo, Store, StoreOptions, is_absent, open_store
from wsvad.text import printable


def stem(name: str) -> str:
    """Return a video's name without folders and video extension; other dots in the name are kept."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in VIDEO_EXTENSIONS else path.name


class Folder:
    """A folder, bucket or prefix, listed once."""

    def __init__(self, uri: str, options: StoreOptions | None = None) -> None:
        self.store: Store = open_store(uri, options or StoreOptions())
        self.uri = uri
        self.digests: dict[str, str] = {}
        """SHA-256 of every annotation file read, by its key."""

    @cached_property
    def objects(self) -> tuple[ObjectInfo, ...]:
        """All objects below the root except hidden ones. Raises ``ManifestError`` if there are none."""
        visible = (i for i in self.store.list() if not any(part.startswith(".") for part in i.key.split("/")))
        found = tuple(visible)
        if not found and is_absent(self.uri):
            raise ManifestError(f"{printable(self.uri)} does not exist; check --root")
        if not found:
            raise ManifestError(f"{printable(self.uri)} is empty or not a folder; check --root")
        return found

    @cached_property
    def videos(self) -> Mapping[str, Sequence[ObjectInfo]]:
        """The video files by stem."""
        by_stem: dict[str, list[ObjectInfo]] = defaultdict(list)
        for info in self.objects:
            if PurePosixPath(info.key).suffix.lower() in VIDEO_EXTENSIONS:
                by_stem[stem(info.key)].append(info)
        return by_stem

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[str]]:
        by_name: dict[str, list[str]] = defaultdict(list)
        for info in self.objects:
            by_name[PurePosixPath(info.key).name].append(info.key)
        return by_name

    def has(self, name: str) -> bool:
        """Return whether a file of this name exists anywhere below the root."""
        return name in self._by_name

    def where(self, name: str) -> str:
        """Return the URI of an existing file, for messages."""
        return printable(self.store.uri_of(self._by_name[name][0]))

    def text(self, *names: str) -> str:
        """Read the first of these annotation files that exists in any subfolder.

        Raises:
            ManifestError: none exists, several files of one name differ, or the file is not UTF-8 text.
        """
        name = next((n for n in names if self.has(n)), None)
        if name is None:
            raise ManifestError(
                f"the annotation file {' or '.join(names)} is not below {printable(self.uri)};"
                " copy it there, or pass the folder of the annotation files with --annotations (see docs/datasets.md)"
            )
        contents = {key: self.store.read(key) for key in self._by_name[name]}
        if len(set(contents.values())) > 1:
            places = ", ".join(printable(key) for key in contents)
            raise ManifestError(f"{printable(self.uri)}: {name} exists more than once with different content: {places}")
        key, data = next(iter(contents.items()))
        self.digests[key] = hashlib.sha256(data).hexdigest()
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ManifestError(f"{self.where(name)}: expected UTF-8 text: {error}") from error

    def lines(self, *names: str) -> Iterator[tuple[str, str]]:
        """Yield ``(where, line)`` for every line that is not blank, stripped of white space."""
        text = self.text(*names)
        name = next(n for n in names if self.has(n))
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield f"{self.where(name)}, line {number}", line.strip()

    def rows(self, name: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield ``(where, row)`` for the rows of a CSV file with a header.

        Raises:
            ManifestError: a column is missing, a row has a wrong number of cells, or the file is not valid CSV.
        """
        reader = csv.DictReader(io.StringIO(self.text(name)))
        try:
            yield from self._rows(name, reader, columns)
        except csv.Error as error:  # a NUL byte, or an unterminated quote
            raise ManifestError(
                f"{self.where(name)}, line {reader.line_num}: cannot be read as CSV: {error}"
            ) from error

    def _rows(
        self, name: str, reader: csv.DictReader[str], columns: Sequence[str]
    ) -> Iterator[tuple[str, dict[str, str]]]:
        absent = set(columns) - set(reader.fieldnames or ())
        if absent:
            raise ManifestError(f"{self.where(name)}: expected columns {', '.join(columns)}; missing {sorted(absent)}")
        for number, row in enumerate(reader, start=2):
            where = f"{self.where(name)}, line {number}"
            if None in row or None in row.values():
                raise ManifestError(f"{where}: expected {len(reader.fieldnames or ())} cells")
            yield where, row


def parse_int(text: str, what: str, where: str) -> int:
    """Parse an integer of an annotation file. Raises ``ManifestError`` with the line."""
    try:
        return int(text)
    except ValueError as error:
        raise ManifestError(f"{where}: {what} must be a whole number, got {text!r:.80}") from error


def frame_pairs(words: Sequence[str], where: str, *, first: int) -> tuple[tuple[int, int], ...]:
    """Parse ``start end start end …`` into half-open spans from frame 0; pairs of -1 are skipped.

    Args:
        words: the numbers.
        where: file and line, for messages.
        first: 1 if frames count from 1 and both ends are inclusive; 0 if they count from 0, half-open.

    Raises:
        ManifestError: an odd number of words, a word that is not an integer, or an end before its start.
    """
    if len(words) % 2:
        raise ManifestError(f"{where}: expected pairs of first and last frame, got {len(words)} numbers")
    spans = []
    for start_text, end_text in zip(words[::2], words[1::2], strict=True):
        start, end = parse_int(start_text, "a frame", where), parse_int(end_text, "a frame", where)
        if start == end == -1:
            continue
        if start < first or end < start or (first == 0 and end == start):
            raise ManifestError(f"{where}: expected frames from {first} and an end after the start, got {start} {end}")
        spans.append((start - first, end))
    return tuple(spans)
