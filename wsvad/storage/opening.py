"""From a URI to a store."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from wsvad.errors import UsageError
from wsvad.storage.base import Store, StoreOptions
from wsvad.storage.local import LocalStore
from wsvad.storage.uri import Location, parse_uri


def open_store(uri: str, options: StoreOptions | None = None) -> Store:
    """Return the store below a root URI. Touches neither disk nor network; the first operation does.

    Raises:
        UsageError: the URI cannot be one (unknown scheme, no bucket, credentials in it, ...).
    """
    return _store(parse_uri(uri), options or StoreOptions())


def open_object(uri: str, options: StoreOptions | None = None) -> tuple[Store, str]:
    """Return store and key for the URI of one object; the store's root is the folder that holds it.

    Who names one file means that file, so a local one is read through links wherever they lead.

    Raises:
        UsageError: as ``open_store``, or the URI names a folder, bucket or prefix.
    """
    location = parse_uri(uri)
    folder, key = _split(location)
    if location.names_folder or not key:
        raise UsageError(f"expected the URI of one object, got the folder {location.uri}")
    options = options or StoreOptions()
    if location.scheme == "file":
        options = replace(options, follow_links=True)
    return _store(location._replace(path=folder), options), key


def _split(location: Location) -> tuple[str, str]:
    """Return folder and key; of several S3 slashes before a name the first ends the folder, the others are the key's.

    So the folder is a root that is spelled as any other.
    """
    if location.scheme == "file":
        return posixpath.split(location.path)
    folder = location.path.rpartition("/")[0].rstrip("/")
    return folder, location.path.removeprefix(f"{folder}/") if folder else location.path


def _store(location: Location, options: StoreOptions) -> Store:
    if location.scheme == "file":
        return LocalStore(location, options)
    # boto3 takes 0.13 s and 22 MB to import; a job on local files never pays for it
    from wsvad.storage.s3 import S3Store

    return S3Store(location, options)
