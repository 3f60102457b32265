"""Fetch published weights into the weights folder, verify their digests, and convert them if necessary."""

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
from wsvad.weights.download import DEFAULT_RETRIES, MAX_BYTES, RetryPolicy, download
from wsvad.weights.folder import SUFFIXES
from wsvad.weights.http import check_url, redacted_url
from wsvad.weights.progress import DownloadView

log = logging.getLogger(__name__)

_NETWORK = re.compile(r"https?://", re.IGNORECASE)
_FILE_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,120}", re.ASCII)


@dataclass(frozen=True)
class FetchResult:
    """Result of a fetch."""

    name: str
    architecture: str
    path: str
    """Path to use with ``--weights``."""
    digest: str
    """``sha256:<hex>`` of the tensors; empty for the embedded weights, which are not fetched."""
    files: tuple[str, ...]
    """Files fetched in this run."""
    bytes_fetched: int
    """Total size of these files."""
    elapsed_s: float


def fetch(
    source: str,
    folder: Path,
    *,
    digest: Digest | None = None,
    console: Console,
    retries: RetryPolicy | None = None,
    options: StoreOptions | None = None,
) -> FetchResult:
    """Fetch weights and verify them; files that are already present are verified but not fetched again.

    Args:
        source: A name of the catalogue, an http(s) URL, or the path or ``s3://`` URI of a file to copy.
        folder: Weights folder.
        digest: Digest of the file; required if none is published, unless the file is copied.
        console: Console for the progress bar.
        retries: Retry settings; ``None``: those of ``download``.
        options: Access options of the store.

    Raises:
        UsageError: Unknown name, or a digest is missing.
        WeightsError: The content has another digest, or is not weights of a supported network.
        StorageError: The source cannot be reached (the message says how to copy the file manually), or no space.
    """
    started = time.monotonic()
    known = CATALOGUE.get(source) or _custom(source, digest)
    if known.name == EMBEDDED:
        raise UsageError(f"{EMBEDDED} is part of the package ({shipped.path()}) and cannot be fetched")
    fetched = []
    probe_folder(str(folder))
    for file in _with_digest(known, digest).files:
        if _get(known, file, folder, console, retries or DEFAULT_RETRIES, options):
            fetched.append(file)
    path = folder / known.usable_as
    from wsvad.weights.convert import convert, describe  # imported here: PyTorch takes seconds to load

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
    return FetchResult(
        described.name,
        described.architecture,
        str(path),
        described.digest,
        tuple(file.saved_as for file in fetched),
        sum((folder / file.saved_as).stat().st_size for file in fetched),
        round(time.monotonic() - started, 3),
    )


def _custom(source: str, digest: Digest | None) -> KnownWeights:
    """Describe a file that is not in the catalogue."""
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
            f"{name!r:.100}; for a TensorFlow checkpoint, copy both of its files and use `wsvad weights convert`"
        )
    layout: Layout = "caffe2" if suffix == ".pkl" else "pytorch"
    published = [file for known in CATALOGUE.values() for file in known.files if file.saved_as == name]
    pinned = digest or next((file.digest for file in published), None)
    return KnownWeights(stem, "", layout, "", "", "", (WeightFile(name, source, pinned),))


def _with_digest(known: KnownWeights, digest: Digest | None) -> KnownWeights:
    """Set the digest given by the user if none is published; refuse one for published digests."""
    if digest is not None and known.pinned and (len(known.files) > 1 or known.files[0].digest != digest):
        raise UsageError(f"{known.name} has the published digest {known.files[0].digest}; omit --digest")
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
    retries: RetryPolicy,
    options: StoreOptions | None,
) -> bool:
    """Bring one file into the folder; return whether it was fetched."""
    path = folder / file.saved_as
    if path.is_file() and file.digest is not None:
        if file.digest.matches_file(path):
            return False
        log.warning("%s does not have the digest %s; fetching it again", path, file.digest)
    if not _NETWORK.match(file.url):
        return _copy(file, folder, options)
    if file.digest is None:
        raise UsageError(
            f"no digest of {redacted_url(file.url)} is published, so a download could not be verified. Pass a "
            f"trusted digest (--digest sha256:…), or download the file yourself and copy it to {path}"
        )
    try:
        with DownloadView(posixpath.basename(file.saved_as), console) as view:
            download(file.url, path, file.digest, size=file.size, retries=retries, progress=view)
    except (StoreUnavailable, ObjectNotFound, AccessDenied) as error:
        raise type(error)(f"{error}. {_offline_instructions(known, file, path)}") from error
    return True


def _copy(file: WeightFile, folder: Path, options: StoreOptions | None) -> bool:
    """Copy a file from a store."""
    store, key = open_object(file.url, options or StoreOptions())
    size = store.stat(key).size
    if size > MAX_BYTES:
        raise WeightsError(f"{file.url}: expected at most {MAX_BYTES} bytes, got {size}")
    content = store.read(key)
    if file.digest is not None and not file.digest.matches_bytes(content):
        got = bytes_digest(content, file.digest.kind)
        raise WeightsError(f"{file.url}: expected {file.digest}, got {got}; it was not copied")
    open_store(str(folder)).replace(file.saved_as, content)
    return True


def _offline_instructions(known: KnownWeights, file: WeightFile, path: Path) -> str:
    """Return instructions for a machine without network access."""
    then = "" if known.layout == "pytorch" else ", and run this command again to convert it"
    what = (
        f"download {redacted_url(file.url)} on a connected machine, check its digest {file.digest}, copy it to {path}"
    )
    return f"Without network access: {what}{then}"
