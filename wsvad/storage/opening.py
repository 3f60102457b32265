"""Open and probe stores by URI."""

from __future__ import annotations

import os
import posixpath
from dataclasses import replace

from wsvad.errors import AccessDenied, UnusablePlace, UsageError
from wsvad.storage.base import Store, StoreOptions
from wsvad.storage.local import LocalStore
from wsvad.storage.uri import Location, parse_uri


def open_store(uri: str, options: StoreOptions | None = None) -> Store:
    """Return the store with this root. Accesses neither disk nor network until the first operation.

    Raises:
        UsageError: the URI is invalid (unknown scheme, no bucket, credentials in it, ...).
    """
    return _store(parse_uri(uri), options or StoreOptions())


def open_object(uri: str, options: StoreOptions | None = None) -> tuple[Store, str]:
    """Return the store and key of a single object. The store's root is the folder that holds the object.

    A local file is read through links wherever they lead, because the caller named it explicitly.

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
    """Return folder and key. If several slashes precede an S3 object's name, all but the first belong to the key.

    This keeps the spelling of the folder canonical.
    """
    if location.scheme == "file":
        return posixpath.split(location.path)
    folder = location.path.rpartition("/")[0].rstrip("/")
    return folder, location.path.removeprefix(f"{folder}/") if folder else location.path


def is_absent(uri: str) -> bool:
    """Whether a URI is a local path that does not exist. Always False for object storage, which has no folders."""
    location = parse_uri(uri)
    return location.scheme == "file" and not os.path.lexists(location.path)


def check_folder(uri: str) -> None:
    """Check, without writing, whether a local root can be written. Does nothing for object storage.

    Raises:
        UnusablePlace: the root or a parent is a file.
        AccessDenied: this user may not write there.
    """
    location = parse_uri(uri)
    if location.scheme != "file":
        return
    there = location.path
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise UnusablePlace(f"{location.uri} cannot be written: {there} is a file instead of a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise AccessDenied(f"{location.uri} cannot be written: this user may not write in {there}")


def probe_folder(uri: str, options: StoreOptions | None = None) -> None:
    """Write and delete a small object below a root, to detect before the work that it cannot be written.

    Raises:
        UnusablePlace: the root is a file or otherwise unusable.
        StorageError: the root cannot be written.
    """
    open_store(uri, options).probe()


def probe_object(uri: str, options: StoreOptions | None = None) -> None:
    """Check that an object can be written, by a temporary object in its folder. An existing object is kept.

    Raises:
        UnusablePlace: there is a folder with its name.
        UsageError, StorageError: as :func:`open_object`; or the folder cannot be written.
    """
    store, _ = open_object(uri, options)
    location = parse_uri(uri)
    if location.scheme == "file" and os.path.isdir(location.path):
        raise UnusablePlace(f"{location.uri} is a folder instead of a file; choose another name")
    store.probe()


def _store(location: Location, options: StoreOptions) -> Store:
    if location.scheme == "file":
        return LocalStore(location, options)
    # imported here, because s3fs takes a third of a second to import
    if location.scheme != "s3":
        from wsvad.storage.remote import RemoteStore

        return RemoteStore(location, options)
    from wsvad.storage.s3 import S3Store

    return S3Store(location, options)
