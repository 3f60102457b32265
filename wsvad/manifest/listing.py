"""Lists the videos of a file, folder, prefix or manifest, and what was skipped and why."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from wsvad.errors import ManifestError, ObjectNotFound, StorageError, UsageError
from wsvad.manifest.ids import content_id, id_from_key, row_id
from wsvad.manifest.names import Identity
from wsvad.manifest.table import ManifestRow, read_manifest
from wsvad.storage import ObjectInfo, Store, StoreOptions, is_absent, open_object, open_store
from wsvad.storage.uri import is_scratch, parse_uri
from wsvad.text import printable
from wsvad.video.contract import ReadOptions

VIDEO_EXTENSIONS = frozenset(
    (
        ".264 .265 .3gp .asf .avi .dav .divx .flv .h264 .h265 .hevc .m2ts .m2v .m4v .mjpeg .mjpg .mkv .mov .mp4 .mpeg"
        " .mpg .mts .mxf .ogv .ts .vob .webm .wmv"
    ).split()
)
MANIFEST_EXTENSIONS = frozenset({".csv", ".parquet"})
_DIGEST_CHUNK = 8 << 20
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class VideoRef:
    """A listed video: its location and content identity."""

    video_id: str
    """Stable, safe id (see :mod:`wsvad.manifest.ids`)."""
    uri: str
    """URI of the video, as accepted by ``open_object``."""
    root: str
    """URI of the store that holds the object."""
    info: ObjectInfo
    """Key relative to ``root``, size, modification time and ETag at the time of listing."""
    content_id: str
    """32 hex digits; changes when the id or the content changes."""
    reading: ReadOptions = field(default_factory=ReadOptions)
    """Settings of the decoder for this video."""


@dataclass(frozen=True)
class Skipped:
    """A listed object that is not used as a video, with the reason."""

    uri: str
    reason: str


@dataclass(frozen=True)
class Unreachable:
    """A video of a manifest that the store could not provide. This is no evidence against the video itself."""

    video_id: str
    uri: str
    message: str


@dataclass(frozen=True)
class Listing:
    """The result of a listing, sorted by video id."""

    videos: tuple[VideoRef, ...]
    skipped: tuple[Skipped, ...] = ()
    unreachable: tuple[Unreachable, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over the content ids; equal for two listings of the same content."""
        return hashlib.sha256("\n".join(v.content_id for v in self.videos).encode()).hexdigest()


def list_videos(
    uri: str,
    *,
    identity: Identity = "stat",
    id_prefix: str = "",
    options: StoreOptions | None = None,
    output_prefixes: Sequence[str] = (),
    reading: ReadOptions | None = None,
) -> Listing:
    """List the videos of a file, a folder, an object-store prefix, or a manifest (``.csv``, ``.parquet``).

    Args:
        uri: URI of the file, folder, prefix or manifest.
        identity: ``stat`` identifies content by size and ETag (or modification time); ``digest`` reads every byte.
        id_prefix: prefix of the ids of *listed* objects (``cam7/`` makes ``cam7/x.mp4``); not used with a manifest.
        options: settings of the store.
        output_prefixes: URI prefixes of this program's outputs: non-videos below them are not reported as skipped.
        reading: decoder settings of all videos; the manifest columns ``stream`` and ``frame_rate`` override it.

    Raises:
        ManifestError: no video was found, or the manifest is invalid.
        StorageError: the listing failed.
    """
    options = options or StoreOptions()
    if identity not in ("stat", "digest"):
        raise UsageError(f"identity must be 'stat' or 'digest', got {identity!r}")
    if PurePosixPath(uri).suffix.lower() in MANIFEST_EXTENSIONS and not uri.endswith("/"):
        found = _from_manifest(uri, options)
    else:
        found = _from_store(uri, id_prefix, options, tuple(output_prefixes))
    if identity == "digest":
        found = _with_digests(found, options)
    if reading is not None:
        found = replace(found, videos=tuple(replace(v, reading=v.reading.over(reading)) for v in found.videos))
    if not found.videos and not found.unreachable:
        if is_absent(uri):
            raise ManifestError(f"no video found in {uri}: the path does not exist")
        examples = "; ".join(f"{s.uri}: {s.reason}" for s in found.skipped[:3])
        raise ManifestError(f"no video found in {uri} ({len(found.skipped)} other files skipped) {examples}".rstrip())
    repeated = [i for i, n in Counter(v.video_id for v in found.videos).items() if n > 1]
    if repeated:
        raise ManifestError(f"video ids must be unique; {len(repeated)} are not, e.g. {repeated[0]!r:.120}")
    return found


def _ref(video_id: str, store: Store, info: ObjectInfo) -> VideoRef:
    identity = content_id(video_id, str(info.size), info.etag or str(info.mtime_ns))
    return VideoRef(video_id, store.uri_of(info.key), store.uri, info, identity)


def _from_store(uri: str, id_prefix: str, options: StoreOptions, output_prefixes: tuple[str, ...]) -> Listing:
    single = _single_object(uri, options)
    if single is not None:
        store, info = single
        return Listing((_ref(id_from_key(id_prefix + PurePosixPath(info.key).name), store, info),))
    store = open_store(uri, options)
    videos, skipped = [], []
    for info in store.list(scratch=True):
        reason = _skip_reason(store, info.key)
        if reason and (store.uri_of(info.key).startswith(output_prefixes) or _is_unfinished_write(info.key)):
            continue
        if reason:
            skipped.append(Skipped(printable(store.uri_of(info.key)), reason))
        else:
            videos.append(_ref(id_from_key(id_prefix + info.key), store, info))
    return Listing(tuple(sorted(videos, key=lambda v: v.video_id)), tuple(skipped))


def _single_object(uri: str, options: StoreOptions) -> tuple[Store, ObjectInfo] | None:
    """Return the object that the URI names, or ``None`` if it names a folder or prefix."""
    location = parse_uri(uri)
    if location.names_folder or not location.path.strip("/"):
        return None
    store, key = open_object(uri, _following_links(options))
    try:
        return store, store.stat(key)
    except ObjectNotFound:
        return None


def _following_links(options: StoreOptions) -> StoreOptions:
    """Return store options for objects that the user named explicitly, for which symbolic links are followed."""
    return replace(options, follow_links=True)


def _is_unfinished_write(key: str) -> bool:
    """Return whether a key is probably an unfinished write of this program; video files of such names are not."""
    return is_scratch(key) and PurePosixPath(key).suffix.lower() not in VIDEO_EXTENSIONS


def _skip_reason(store: Store, key: str) -> str | None:
    path = PurePosixPath(key)
    problem = store.key_problem(key)
    if problem:
        return f"unusable name: it {problem}"
    _, dot, suffix = key.rpartition(".")
    if "/." not in f"/{key}" and f"{dot}{suffix.lower()}" in VIDEO_EXTENSIONS:
        return None  # fast path for nearly all keys
    if any(part.startswith(".") for part in path.parts):
        return "hidden"
    if path.suffix.lower() not in VIDEO_EXTENSIONS:
        return f"not a video file name ({printable(path.suffix) or 'no extension'})"
    return None


def _from_manifest(uri: str, options: StoreOptions) -> Listing:
    store, key = open_object(uri, _following_links(options))
    rows = read_manifest(store.read(key), name=uri)

    def find(row: ManifestRow) -> VideoRef | Unreachable:
        video_id = row_id(row.video_id, row.uri, row.where)
        target = resolve_uri(uri, row.uri)
        try:
            reading = ReadOptions(row.stream, row.frame_rate)
            video_store, video_key = open_object(target, _following_links(options))
        except UsageError as error:
            raise ManifestError(f"{row.where}: {error}") from error
        try:
            return replace(_ref(video_id, video_store, video_store.stat(video_key)), reading=reading)
        except StorageError as error:
            return Unreachable(video_id, printable(target), str(error))

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(find, rows))
    videos = sorted((f for f in found if isinstance(f, VideoRef)), key=lambda v: v.video_id)
    return Listing(tuple(videos), (), tuple(f for f in found if isinstance(f, Unreachable)))


def resolve_uri(manifest_uri: str, uri: str) -> str:
    """Resolve a relative URI of a manifest against the folder of the manifest."""
    if _SCHEME.match(uri) or uri.startswith("/"):
        return uri
    location = parse_uri(manifest_uri)
    if location.scheme == "file":
        return posixpath.normpath(posixpath.join(posixpath.dirname(location.path), uri))
    # S3 keys are literal: dot segments are resolved, repeated slashes are kept.
    folder, slash, _ = location.path.rpartition("/")
    segments: list[str] = []
    for segment in f"{folder}{slash}{uri}".split("/"):
        if segment == ".." and segments and segments[-1] != "..":
            segments.pop()
        elif segment != ".":
            segments.append(segment)
    return f"{location.scheme}://{location.bucket}/{'/'.join(segments)}"


def _with_digests(listing: Listing, options: StoreOptions) -> Listing:
    def digest(video: VideoRef) -> VideoRef | Unreachable:
        try:
            sha = _sha256(open_store(video.root, _following_links(options)), video.info)
        except StorageError as error:
            return Unreachable(video.video_id, printable(video.uri), str(error))
        return replace(video, content_id=content_id(video.video_id, "sha256", sha))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(digest, listing.videos))
    lost = (f for f in found if isinstance(f, Unreachable))
    return Listing(tuple(f for f in found if isinstance(f, VideoRef)), listing.skipped, (*listing.unreachable, *lost))


def _sha256(store: Store, info: ObjectInfo) -> str:
    sha = hashlib.sha256()
    for start in range(0, info.size, _DIGEST_CHUNK):
        sha.update(store.read_range(info.key, start, min(start + _DIGEST_CHUNK, info.size), expect=info))
    return sha.hexdigest()


def reasons(skipped: Iterable[Skipped]) -> dict[str, int]:
    """Count skipped objects by reason, most frequent first."""
    return dict(Counter(s.reason for s in skipped).most_common())
