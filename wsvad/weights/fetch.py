"""Weights from where they are published into the folder of weights, proven, converted where that is needed."""

from __future__ import annotations

import logging
import posixpath
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console

from wsvad.backbones import shipped
from wsvad.errors import AccessDenied, ObjectNotFound, StoreUnavailable, UsageError, WeightsError
from wsvad.storage import StoreOptions, open_object, open_store, probe_folder
from wsvad.weights.catalogue import CATALOGUE, EMBEDDED, KnownWeights, Layout, WeightFile
from wsvad.weights.digests import Digest, bytes_digest
from wsvad.weights.download import MAX_BYTES, PATIENT, Patience, download
from wsvad.weights.folder import SUFFIXES
from wsvad.weights.http import check_url, shown
from wsvad.weights.progress import DownloadView

log = logging.getLogger(__name__)

_NETWORK = re.compile(r"https?://", re.IGNORECASE)
_FILE_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,120}", re.ASCII)


@dataclass(frozen=True)
class Fetched:
    """The end of a fetch."""

    name: str
    architecture: str
    path: str
    """What ``--weights`` loads."""
    digest: str
    """``sha256:<hex>`` of the tensors; empty for the embedded weights, which need no fetching."""
    files: tuple[str, ...]
    """What was fetched in this run."""
    bytes_fetched: int
    """Of those files."""
    elapsed_s: float


def fetch(
    source: str,
    folder: Path,
    *,
    digest: Digest | None = None,
    console: Console,
    patience: Patience | None = None,
    options: StoreOptions | None = None,
) -> Fetched:
    """Get weights and prove them; what is there already is proven and not fetched again.

    Args:
        source: a name of the catalogue, an http(s) URL, or the path or ``s3://`` URI of a file to copy.
        folder: of weights.
        digest: of the file; needed where none is published, unless the file is copied.
        console: where progress is drawn.
        patience: how long to try; ``None``: as long as ``download`` does by itself.
        options: how to reach a store.

    Raises:
        UsageError: no such name, or a digest is missing.
        WeightsError: what came is not what the digest says, or not weights of a known network.
        StorageError: the source cannot be reached (the message says how to bring the file by hand), or no room.
    """
    started = time.monotonic()
    known = CATALOGUE.get(source) or _own(source, digest)
    if known.name == EMBEDDED:
        raise UsageError(f"{EMBEDDED} comes with the package ({shipped.path()}); there is nothing to fetch")
    fetched = []
    probe_folder(str(folder))
    for file in _with_digest(known, digest).files:
        if _get(known, file, folder, console, patience or PATIENT, options):
            fetched.append(file)
    path = folder / known.usable_as
    from wsvad.weights.convert import convert, describe  # PyTorch takes seconds to load; nothing before needs it

    if known.layout != "pytorch" and (fetched or not path.is_file()):
        described = convert(
            str(folder / known.files[0].saved_as),
            str(path),
            architecture=known.architecture or None,
            name=known.name,
            overwrite=True,
        )
    else:
        described = describe(str(path), architecture=known.architecture or None)
    return Fetched(
        described.name,
        described.architecture,
        str(path),
        described.digest,
        tuple(file.saved_as for file in fetched),
        sum((folder / file.saved_as).stat().st_size for file in fetched),
        round(time.monotonic() - started, 3),
    )


def _own(source: str, digest: Digest | None) -> KnownWeights:
    """Describe a file that the catalogue does not have by name."""
    over_network = bool(_NETWORK.match(source))
    if not over_network and "/" not in source and not Path(source).exists():
        raise UsageError(
            f"expected a name ({', '.join(name for name in CATALOGUE if name != EMBEDDED)}), a URL or a file, "
            f"got {source!r:.200}"
        )
    if over_network:
        check_url(source)
    name = posixpath.basename(unquote(urlsplit(source).path) if over_network else source)
    stem, suffix = posixpath.splitext(name)
    if not _FILE_NAME.fullmatch(name) or suffix not in (*SUFFIXES, ".pkl"):
        raise UsageError(
            f"expected the URL of a file named NAME{', NAME'.join((*SUFFIXES, '.pkl'))}, got one that ends in "
            f"{name!r:.100}; a TensorFlow checkpoint of yours has two files: bring both and use `wsvad weights convert`"
        )
    layout: Layout = "caffe2" if suffix == ".pkl" else "pytorch"
    published = [file for known in CATALOGUE.values() for file in known.files if file.saved_as == name]
    pinned = digest or next((file.digest for file in published), None)
    return KnownWeights(stem, "", layout, "", "", "", (WeightFile(name, source, pinned),))


def _with_digest(known: KnownWeights, digest: Digest | None) -> KnownWeights:
    """Put the digest that the user gave where none is known, and refuse a second opinion."""
    if digest is not None and known.pinned and (len(known.files) > 1 or known.files[0].digest != digest):
        raise UsageError(f"{known.name} has the published digest {known.files[0].digest}; leave --digest out")
    if digest is None:
        return known
    (file,) = known.files
    file = WeightFile(file.saved_as, file.url, digest, file.size)
    return KnownWeights(known.name, known.architecture, known.layout, known.about, known.licence, known.source, (file,))


def _get(
    known: KnownWeights,
    file: WeightFile,
    folder: Path,
    console: Console,
    patience: Patience,
    options: StoreOptions | None,
) -> bool:
    """Bring one file into the folder; return whether it was fetched."""
    path = folder / file.saved_as
    if path.is_file() and file.digest is not None:
        if file.digest.agrees(path):
            return False
        log.warning("%s is not %s; fetching it again", path, file.digest)
    if not _NETWORK.match(file.url):
        return _copy(file, folder, options)
    if file.digest is None:
        raise UsageError(
            f"nobody published a digest of {shown(file.url)}, so what comes could not be proven. Give the one that you "
            f"trust (--digest sha256:…), or get the file yourself and copy it to {path}"
        )
    try:
        with DownloadView(posixpath.basename(file.saved_as), console) as view:
            download(file.url, path, file.digest, size=file.size, patience=patience, progress=view)
    except (StoreUnavailable, ObjectNotFound, AccessDenied) as error:
        raise type(error)(f"{error}. {_by_hand(known, file, path)}") from error
    return True


def _copy(file: WeightFile, folder: Path, options: StoreOptions | None) -> bool:
    """Copy a file from a store."""
    store, key = open_object(file.url, options or StoreOptions())
    size = store.stat(key).size
    if size > MAX_BYTES:
        raise WeightsError(f"{file.url}: {size} bytes; expected at most {MAX_BYTES}")
    content = store.read(key)
    if file.digest is not None and not file.digest.agrees_with(content):
        came = bytes_digest(content, file.digest.kind)
        raise WeightsError(f"{file.url}: expected {file.digest}, got {came}; it was not copied")
    open_store(str(folder)).replace(file.saved_as, content)
    return True


def _by_hand(known: KnownWeights, file: WeightFile, path: Path) -> str:
    """Say how to do without the network."""
    then = "" if known.layout == "pytorch" else ", and run this again: it converts what is there"
    what = f"get {shown(file.url)} on a connected machine, check that it is {file.digest}, copy it to {path}"
    return f"By hand: {what}{then}"
