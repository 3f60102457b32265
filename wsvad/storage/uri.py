"""URIs and keys: which strings name a store or an object, and the one spelling of each.

A *root* is ``s3://bucket[/prefix]``, the like with another scheme that fsspec knows (``gs``, ``az``, ...),
``file:///folder`` or a plain path; a *key* is a relative POSIX path below it.
``file`` URIs are percent-encoded, S3 keys are taken literally, as the AWS tools do: ``a//b`` and ``a/b`` are two keys.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from wsvad.errors import UsageError

SCRATCH = ".tmp"
"""Name of the folder (or S3 prefix) that holds unfinished writes. No key may have it as a segment."""

_PATH_SAFE = "/:@&=+$,;!*'()~"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(:\d{1,5})?")
_ONE_NAME = {"gcs": "gs", "abfs": "az", "abfss": "az"}
# without listings or an identity of objects, with secrets in their addresses, on top of another file system, or local
_UNFIT = frozenset(
    "async_wrapper asynclocal blockcache cached data dir file filecache ftp generic git github gist gdrive http https"
    " libarchive local reference simplecache tar zip s3 s3a".split()
)
_ONE_SLASH = re.compile(r"(s3|gs|gcs|az|abfs|abfss|file):/", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Location(NamedTuple):
    """A parsed URI. ``path`` is absolute for ``file``, and for all others what is before the slash that ends the
    prefix.

    A prefix of slashes alone is the whole path.
    """

    scheme: str
    bucket: str
    path: str
    names_folder: bool
    """Whether the URI ended with a slash, so that it cannot name one object."""

    @property
    def uri(self) -> str:
        """The canonical spelling: no trailing slash, except for the root folder and prefixes that end in two."""
        if self.scheme == "file":
            return f"file://{quote_path(self.path)}"
        if not self.path:
            return f"{self.scheme}://{self.bucket}"
        return f"{self.scheme}://{self.bucket}/{self.prefix if self.path.endswith('/') else self.path}"

    @property
    def prefix(self) -> str:
        """What every S3 key below this root begins with."""
        return f"{self.path}/" if self.path.strip("/") else self.path


def parse_uri(uri: str) -> Location:
    """Parse a root or object URI.

    Raises:
        UsageError: an unknown scheme, ``s3://`` without a bucket, credentials in the URL, a remote host in a ``file``
            URI, a prefix that is no valid key, or a NUL character. Credentials are never repeated in the message.
    """
    if not uri:
        raise UsageError("expected a path, file:// or s3:// URI, got an empty string")
    if "\0" in uri:
        raise UsageError("expected a path, file:// or s3:// URI, got one with a NUL character")
    match = _SCHEME.match(uri)
    if match is None:
        if (short := _ONE_SLASH.match(uri)) is not None:
            scheme = short[1].lower()
            raise UsageError(f"{scheme}: with one slash is no URI; expected {scheme}://, or ./{scheme}:/ for a folder")
        return _local(os.path.expanduser(uri))
    scheme, rest = match[1].lower(), uri[match.end() :]
    authority, slash, path = rest.partition("/")
    if scheme in ("s3", "file") and ("@" in authority or ":" in authority):
        # not even partly repeated: a secret key may itself hold slashes
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
    return _remote(_ONE_NAME.get(scheme, scheme), authority, path)


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
    from fsspec import available_protocols  # only who uses such a scheme waits for it

    if scheme in _UNFIT or scheme not in available_protocols():
        raise UsageError(f"unknown scheme {scheme!r}:// ; expected a plain path, file://, s3://, gs:// or az://")
    if not _HOST.fullmatch(authority):
        raise UsageError(
            f"{scheme}:// URI without a usable bucket, container or host before the first slash (not shown, it may be"
            f" secret); expected {scheme}://bucket/prefix"
        )
    prefix = path.rstrip("/")
    problem = key_problem(prefix) if prefix else None
    if not problem and ("?" in prefix or "#" in prefix or "::" in prefix):
        problem = "has one of '?', '#' and '::', which file systems give meanings of their own"
    if problem:
        raise UsageError(f"{scheme}://{authority}/...: the prefix {problem}")
    return Location(scheme, authority, prefix, names_folder=path.endswith("/") or not path)


def normalize_uri(uri: str) -> str:
    """Return the one spelling of a URI: absolute, scheme in lower case, without the slash at its end. Idempotent.

    Raises:
        UsageError: as ``parse_uri``.
    """
    return parse_uri(uri).uri


def quote_path(path: str) -> str:
    """Percent-encode a local path or key for a ``file`` URI; bytes that are not UTF-8 survive the round trip."""
    return quote(os.fsencode(path), safe=_PATH_SAFE)


def key_problem(key: str, *, literal: bool = False) -> str | None:
    """Return why ``key`` cannot be a key (to follow the word "key"), or None where it can.

    Listings may show keys that this refuses, because other writers made them; every operation on one raises.

    Args:
        key: relative to the root of a store.
        literal: of a store where slashes are letters like others, so that empty segments tell keys apart.
    """
    if not key:
        return "is empty"
    if literal:
        return "has a slash at its end" if key.endswith("/") else _segment_problem(key)
    if key.startswith("/"):
        return "is absolute; expected one relative to the root"
    if "" in key.split("/"):
        return "has an empty segment ('//' or a slash at its end)"
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
    """Whether a key lies in scratch space, which no listing shows."""
    return SCRATCH in key.split("/")
