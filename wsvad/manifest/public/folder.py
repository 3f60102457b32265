"""What lies below a root: annotation files, found by their published names, and videos, found by their stems."""

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
    """A video's name without folders and without the extension of a video: names may hold dots of their own."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in VIDEO_EXTENSIONS else path.name


class Folder:
    """A folder, bucket or prefix, listed once."""

    def __init__(self, uri: str, options: StoreOptions | None = None) -> None:
        self.store: Store = open_store(uri, options or StoreOptions())
        self.uri = uri
        self.digests: dict[str, str] = {}
        """SHA-256 of every annotation file that was read, by its key."""

    @cached_property
    def objects(self) -> tuple[ObjectInfo, ...]:
        """Everything below the root, hidden things apart. Raises ``ManifestError`` where there is nothing."""
        visible = (i for i in self.store.list() if not any(part.startswith(".") for part in i.key.split("/")))
        found = tuple(visible)
        if not found and is_absent(self.uri):
            raise ManifestError(f"{printable(self.uri)} does not exist: nothing is there; check --root")
        if not found:
            raise ManifestError(f"{printable(self.uri)}: nothing is there, or it is not a folder; check --root")
        return found

    @cached_property
    def videos(self) -> Mapping[str, Sequence[ObjectInfo]]:
        """The video files by their stems."""
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
        """Whether a file of that name lies anywhere below the root."""
        return name in self._by_name

    def where(self, name: str) -> str:
        """The URI of a file that was found, for messages."""
        return printable(self.store.uri_of(self._by_name[name][0]))

    def text(self, *names: str) -> str:
        """Read the annotation file of the first of these names that is there, in any subfolder.

        Raises:
            ManifestError: none is there; several of one name differ; or it is no text.
        """
        name = next((n for n in names if self.has(n)), None)
        if name is None:
            raise ManifestError(
                f"the annotation file {' or '.join(names)} is not below {printable(self.uri)};"
                " put it there, or say with --annotations where the annotation files are (see docs/datasets.md)"
            )
        contents = {key: self.store.read(key) for key in self._by_name[name]}
        if len(set(contents.values())) > 1:
            places = ", ".join(printable(key) for key in contents)
            raise ManifestError(f"{printable(self.uri)}: {name} is there more than once and differs: {places}")
        key, data = next(iter(contents.items()))
        self.digests[key] = hashlib.sha256(data).hexdigest()
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ManifestError(f"{self.where(name)}: expected UTF-8 text, got something else: {error}") from error

    def lines(self, *names: str) -> Iterator[tuple[str, str]]:
        """Yield ``(where, line)`` for every line that is not blank, without white space at its ends."""
        text = self.text(*names)
        name = next(n for n in names if self.has(n))
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield f"{self.where(name)}, line {number}", line.strip()

    def rows(self, name: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield ``(where, row)`` for the rows of a CSV file with a header.

        Raises:
            ManifestError: a column is missing, a row has another number of cells, or it is no CSV.
        """
        reader = csv.DictReader(io.StringIO(self.text(name)))
        try:
            yield from self._rows(name, reader, columns)
        except csv.Error as error:  # a NUL, a cell without an end
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


def whole(text: str, what: str, where: str) -> int:
    """Parse a whole number of an annotation file. Raises ``ManifestError`` naming the line."""
    try:
        return int(text)
    except ValueError as error:
        raise ManifestError(f"{where}: {what} must be a whole number, got {text!r:.80}") from error


def frame_pairs(words: Sequence[str], where: str, *, first: int) -> tuple[tuple[int, int], ...]:
    """Parse ``start end start end …`` into half-open spans from frame 0; pairs of -1 stand for nothing.

    Args:
        words: the numbers.
        where: for messages.
        first: 1 where frames count from 1 and both ends are included; 0 where they count from 0, half-open.

    Raises:
        ManifestError: an odd number of words, no number, or an end before its start.
    """
    if len(words) % 2:
        raise ManifestError(f"{where}: expected pairs of first and last frame, got {len(words)} numbers")
    spans = []
    for start_text, end_text in zip(words[::2], words[1::2], strict=True):
        start, end = whole(start_text, "a frame", where), whole(end_text, "a frame", where)
        if start == end == -1:
            continue
        if start < first or end < start or (first == 0 and end == start):
            raise ManifestError(
                f"{where}: frames count from {first} and an event ends after it starts, got {start} {end}"
            )
        spans.append((start - first, end))
    return tuple(spans)
