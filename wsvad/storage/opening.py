"""From a URI to a store."""

from __future__ import annotations

import os
import posixpath
from dataclasses import replace

from wsvad.errors import AccessDenied, UnusablePlace, UsageError
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


def is_absent(uri: str) -> bool:
    """Whether a URI is a local path at which nothing is. False says nothing: object storage has no empty folders."""
    location = parse_uri(uri)
    return location.scheme == "file" and not os.path.lexists(location.path)


def check_folder(uri: str) -> None:
    """Look, without writing, whether a local root could be written; says nothing of object storage.

    Raises:
        UnusablePlace: it is a file, or lies below one.
        AccessDenied: this user may not write there.
    """
    location = parse_uri(uri)
    if location.scheme != "file":
        return
    there = location.path
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise UnusablePlace(f"{location.uri} cannot be written: {there} is a file, where a folder is needed")
    if not os.access(there, os.W_OK | os.X_OK):
        raise AccessDenied(f"{location.uri} cannot be written: this user may not write in {there}")


def probe_folder(uri: str, options: StoreOptions | None = None) -> None:
    """Write and delete a small object below a root: what cannot be written is found out before the work, not after it.

    Raises:
        UnusablePlace: it is a file, or can be no store.
        StorageError: it cannot be written.
    """
    open_store(uri, options).probe()


def probe_object(uri: str, options: StoreOptions | None = None) -> None:
    """The same for an object that is to be written, in the folder that will hold it; one that is there stays.

    Raises:
        UnusablePlace: a folder has its name.
        UsageError, StorageError: as :func:`open_object`; it cannot be written.
    """
    store, _ = open_object(uri, options)
    location = parse_uri(uri)
    if location.scheme == "file" and os.path.isdir(location.path):
        raise UnusablePlace(f"{location.uri} is a folder, where a file is to be written; choose another name")
    store.probe()


def _store(location: Location, options: StoreOptions) -> Store:
    if location.scheme == "file":
        return LocalStore(location, options)
    # s3fs takes a third of a second to import; a job on local files never pays for it
    if location.scheme != "s3":
        from wsvad.storage.remote import RemoteStore

        return RemoteStore(location, options)
    from wsvad.storage.s3 import S3Store

    return S3Store(location, options)
