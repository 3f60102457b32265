"""Parse and normalise URIs of stores and objects, and validate keys.

A *root* is ``s3://bucket[/prefix]``, the same with another scheme of fsspec (``gs``, ``az``, ...), ``file:///folder``
or a plain path. A *key* is a relative POSIX path below a root. ``file`` URIs are percent-encoded. S3 keys are taken
literally, as in the AWS tools: ``a//b`` and ``a/b`` are two keys.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from wsvad.errors import UsageError

SCRATCH = ".tmp"
"""Name of the folder (or S3 prefix) for unfinished writes. No key may have it as a segment."""

_PATH_SAFE = "/:@&=+$,;!*'()~"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(:\d{1,5})?")
_SCHEME_ALIASES = {"gcs": "gs", "abfs": "az", "abfss": "az"}
# no listings or object identities, secrets in URLs, wrappers of other file systems, or local ones
_UNSUPPORTED = frozenset(
    "async_wrapper asynclocal blockcache cached data dir file filecache ftp generic git github gist gdrive http https"
    " libarchive local reference simplecache tar zip s3 s3a".split()
)
_ONE_SLASH = re.compile(r"(s3|gs|gcs|az|abfs|abfss|file):/", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Location(NamedTuple):
    """A parsed URI. ``path`` is absolute for ``file``; otherwise it is the prefix without its trailing slash.

    A prefix that consists of slashes only is kept as it is.
    """

    scheme: str
    bucket: str
    path: str
    names_folder: bool
    """Whether the URI ended with a slash, so that it cannot name an object."""

    @property
    def uri(self) -> str:
        """The canonical URI: no trailing slash, except for the root folder and prefixes that end with two slashes."""
        if self.scheme == "file":
            return f"file://{quote_path(self.path)}"
        if not self.path:
            return f"{self.scheme}://{self.bucket}"
        return f"{self.scheme}://{self.bucket}/{self.prefix if self.path.endswith('/') else self.path}"

    @property
    def prefix(self) -> str:
        """Common prefix of the S3 keys below this root."""
        return f"{self.path}/" if self.path.strip("/") else self.path


def parse_uri(uri: str) -> Location:
    """Parse the URI of a root or object.

    Raises:
        UsageError: unknown scheme, ``s3://`` without a bucket, credentials in the URL, a remote host in a ``file``
            URI, an invalid prefix, or a NUL character. The message never contains credentials.
    """
    if not uri:
        raise UsageError("expected a path, file:// or s3:// URI, got an empty string")
    if "\0" in uri:
        raise UsageError("expected a path, file:// or s3:// URI, got one with a NUL character")
    match = _SCHEME.match(uri)
    if match is None:
        if (short := _ONE_SLASH.match(uri)) is not None:
            scheme = short[1].lower()
            raise UsageError(f"{scheme}: with one slash is not a URI; use {scheme}://, or ./{scheme}:/ for a folder")
        return _local(os.path.expanduser(uri))
    scheme, rest = match[1].lower(), uri[match.end() :]
    authority, slash, path = rest.partition("/")
    if scheme in ("s3", "file") and ("@" in authority or ":" in authority):
        # not shown even in part: a secret key may contain slashes
        raise UsageError(
            f"{scheme}:// URI with credentials, a port or an ARN before the first slash (not shown, it may be secret);"
            " expected s3://bucket/prefix, with credentials in the AWS environment or a profile"
        )
    if scheme == "s3":
        return _s3(authority, path)
    if scheme == "file":
        if authority not in ("", "localhost"):
            raise UsageError(f"file:// URI with the host {authority!r}; expected file:///absolute/path")
        return _local(os.fsdecode(unquote_to_bytes(slash + path)))
    return _remote(_SCHEME_ALIASES.get(scheme, scheme), authority, path)


def _local(path: str) -> Location:
    if not path or "\0" in path:
        raise UsageError("expected file:///absolute/path, got a file:// URI with no usable path")
    absolute = "/" + os.path.abspath(path).lstrip("/")
    return Location("file", "", absolute, names_folder=path.endswith("/"))


def _s3(bucket: str, path: str) -> Location:
    if not bucket:
        raise UsageError("s3:// URI without a bucket; expected s3://bucket/prefix")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket or _ADDRESS.fullmatch(bucket):
        raise UsageError(
            f"{bucket!r} is not a bucket name (3 or more letters, digits, '.', '-' and '_'; no '..', no address)"
            "; expected s3://bucket/prefix"
        )
    prefix = path.removesuffix("/") if path.strip("/") else path
    problem = _segment_problem(prefix)
    if problem:
        raise UsageError(f"s3://{bucket}/{prefix!r}: the prefix {problem}")
    return Location("s3", bucket, prefix, names_folder=path.endswith("/") or not path)


def _remote(scheme: str, authority: str, path: str) -> Location:
    from fsspec import available_protocols  # imported only for such schemes

    if scheme in _UNSUPPORTED or scheme not in available_protocols():
        raise UsageError(f"unknown scheme {scheme!r}:// ; expected a plain path, file://, s3://, gs:// or az://")
    if not _HOST.fullmatch(authority):
        raise UsageError(
            f"{scheme}:// URI without a usable bucket, container or host before the first slash (not shown, it may be"
            f" secret); expected {scheme}://bucket/prefix"
        )
    prefix = path.rstrip("/")
    problem = key_problem(prefix) if prefix else None
    if not problem and ("?" in prefix or "#" in prefix or "::" in prefix):
        problem = "has one of '?', '#' and '::', which have a special meaning in fsspec"
    if problem:
        raise UsageError(f"{scheme}://{authority}/...: the prefix {problem}")
    return Location(scheme, authority, prefix, names_folder=path.endswith("/") or not path)


def normalize_uri(uri: str) -> str:
    """Return the canonical form of a URI: absolute, lower-case scheme, no trailing slash. Idempotent.

    Raises:
        UsageError: as ``parse_uri``.
    """
    return parse_uri(uri).uri


def quote_path(path: str) -> str:
    """Percent-encode a local path or key for a ``file`` URI. Bytes that are not UTF-8 survive a round trip."""
    return quote(os.fsencode(path), safe=_PATH_SAFE)


def key_problem(key: str, *, literal: bool = False) -> str | None:
    """Return why ``key`` is invalid (a phrase that follows the word "key"), or ``None`` if it is valid.

    Listings may contain invalid keys written by other programs; every operation on one raises.

    Args:
        key: relative to the root of a store.
        literal: allow empty segments, for stores in which slashes have no special meaning.
    """
    if not key:
        return "is empty"
    if literal:
        return "has a trailing slash" if key.endswith("/") else _segment_problem(key)
    if key.startswith("/"):
        return "is absolute; expected a key relative to the root"
    if "" in key.split("/"):
        return "has an empty segment ('//' or a trailing slash)"
    return _segment_problem(key)


def _segment_problem(key: str) -> str | None:
    if "\0" in key:
        return "has a NUL character"
    for segment in key.split("/"):
        if segment in (".", ".."):
            return f"has a {segment!r} segment"
        if segment == SCRATCH:
            return f"has a {SCRATCH!r} segment, which is reserved for unfinished writes"
    return None


def is_scratch(key: str) -> bool:
    """Whether a key is in scratch space, which listings omit."""
    return SCRATCH in key.split("/")
