"""From what a user points at (file, folder, prefix, manifest) to the list of videos, and what was left out and why."""

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
    """One video to work on: where it is and what identifies its content."""

    video_id: str
    """Stable, safe id (see :mod:`wsvad.manifest.ids`)."""
    uri: str
    """Where the video is; ``open_object`` finds it."""
    root: str
    """URI of the store that holds the object."""
    info: ObjectInfo
    """Key below ``root``, size, modification time and ETag when it was listed."""
    content_id: str
    """32 hex digits; changes when the id or the content changes."""
    reading: ReadOptions = field(default_factory=ReadOptions)
    """What people say of how the video is to be read."""


@dataclass(frozen=True)
class Skipped:
    """Something that was found and is not taken for a video, with the reason."""

    uri: str
    reason: str


@dataclass(frozen=True)
class Unreachable:
    """A video that is named but that the store did not give: nothing is known against the video itself."""

    video_id: str
    uri: str
    message: str


@dataclass(frozen=True)
class Listing:
    """What was found, ordered by video id."""

    videos: tuple[VideoRef, ...]
    skipped: tuple[Skipped, ...] = ()
    unreachable: tuple[Unreachable, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over the content ids: two listings of the same content agree."""
        return hashlib.sha256("\n".join(v.content_id for v in self.videos).encode()).hexdigest()


def list_videos(
    uri: str,
    *,
    identity: Identity = "stat",
    id_prefix: str = "",
    options: StoreOptions | None = None,
    ours: Sequence[str] = (),
    reading: ReadOptions | None = None,
) -> Listing:
    """List the videos of a file, a folder, an object-store prefix, or a manifest (``.csv``, ``.parquet``).

    Args:
        uri: what the user pointed at.
        identity: ``stat`` identifies content by size and ETag (or modification time); ``digest`` reads every byte.
        id_prefix: put before the ids of *listed* objects (``cam7/`` makes ``cam7/x.mp4``); a manifest states its ids.
        options: how to reach the store.
        ours: prefixes of URIs of results: what lies there and is no video is not worth a word.
        reading: how all videos are to be read; the columns ``stream`` and ``frame_rate`` of a manifest win over it.

    Raises:
        ManifestError: nothing to do, or a manifest that cannot be used.
        StorageError: the listing itself failed.
    """
    options = options or StoreOptions()
    if identity not in ("stat", "digest"):
        raise UsageError(f"identity must be 'stat' or 'digest', got {identity!r}")
    if PurePosixPath(uri).suffix.lower() in MANIFEST_EXTENSIONS and not uri.endswith("/"):
        found = _from_manifest(uri, options)
    else:
        found = _from_store(uri, id_prefix, options, tuple(ours))
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


def _from_store(uri: str, id_prefix: str, options: StoreOptions, ours: tuple[str, ...]) -> Listing:
    single = _single_object(uri, options)
    if single is not None:
        store, info = single
        return Listing((_ref(id_from_key(id_prefix + PurePosixPath(info.key).name), store, info),))
    store = open_store(uri, options)
    videos, skipped = [], []
    for info in store.list(scratch=True):
        reason = _skip_reason(store, info.key)
        if reason and (store.uri_of(info.key).startswith(ours) or _is_ours_in_scratch(info.key)):
            continue
        if reason:
            skipped.append(Skipped(printable(store.uri_of(info.key)), reason))
        else:
            videos.append(_ref(id_from_key(id_prefix + info.key), store, info))
    return Listing(tuple(sorted(videos, key=lambda v: v.video_id)), tuple(skipped))


def _single_object(uri: str, options: StoreOptions) -> tuple[Store, ObjectInfo] | None:
    """The object itself where the URI names one, else ``None`` (a folder or a prefix)."""
    location = parse_uri(uri)
    if location.names_folder or not location.path.strip("/"):
        return None
    store, key = open_object(uri, _named(options))
    try:
        return store, store.stat(key)
    except ObjectNotFound:
        return None


def _named(options: StoreOptions) -> StoreOptions:
    """Options for objects that the user named one by one: a link among them is meant."""
    return replace(options, follow_links=True)


def _is_ours_in_scratch(key: str) -> bool:
    """Whether a key is most likely an unfinished write of ours: videos in a folder of that name are somebody else's."""
    return is_scratch(key) and PurePosixPath(key).suffix.lower() not in VIDEO_EXTENSIONS


def _skip_reason(store: Store, key: str) -> str | None:
    path = PurePosixPath(key)
    problem = store.key_problem(key)
    if problem:
        return f"unusable name: it {problem}"
    _, dot, suffix = key.rpartition(".")
    if "/." not in f"/{key}" and f"{dot}{suffix.lower()}" in VIDEO_EXTENSIONS:
        return None  # nearly all, and an archive has many
    if any(part.startswith(".") for part in path.parts):
        return "hidden"
    if path.suffix.lower() not in VIDEO_EXTENSIONS:
        return f"not a video file name ({printable(path.suffix) or 'no extension'})"
    return None


def _from_manifest(uri: str, options: StoreOptions) -> Listing:
    store, key = open_object(uri, _named(options))
    rows = read_manifest(store.read(key), name=uri)

    def find(row: ManifestRow) -> VideoRef | Unreachable:
        video_id = row_id(row.video_id, row.uri, row.where)
        target = resolve_uri(uri, row.uri)
        try:
            reading = ReadOptions(row.stream, row.frame_rate)
            video_store, video_key = open_object(target, _named(options))
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
    """Resolve a manifest's relative URI against the folder that the manifest is in."""
    if _SCHEME.match(uri) or uri.startswith("/"):
        return uri
    location = parse_uri(manifest_uri)
    if location.scheme == "file":
        return posixpath.normpath(posixpath.join(posixpath.dirname(location.path), uri))
    # S3 keys are literal: only dots are resolved, slashes stay as many as they are
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
            sha = _sha256(open_store(video.root, _named(options)), video.info)
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
    """Count what was skipped by reason, most frequent first."""
    return dict(Counter(s.reason for s in skipped).most_common())
