"""Recover units that earlier runs stored in the target data set."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from wsvad.dataset import layout
from wsvad.dataset.snapshots import Snapshot
from wsvad.errors import ObjectNotFound, StorageError
from wsvad.storage import ObjectInfo, Store
from wsvad.work.receipt import HasUnitId, Receipt

log = logging.getLogger(__name__)

_OLD_NS = 3600 * 10**9
_KEYS_FOR_A_STAT = 32  # approximate number of keys that LIST returns in the time of one stat by one of eight threads


class VideoObject(HasUnitId, Protocol):
    """A unit that belongs to a video in a snapshot."""

    @property
    def video_id(self) -> str:
        """The video."""
        ...


class DamagedUnit(Exception):
    """The bytes of a stored unit are damaged."""


def recover_stored_units(
    out: Store,
    units: Sequence[VideoObject],
    base: Snapshot | None,
    receipt_of: Callable[[str, bytes], Receipt],
    *,
    repair: bool,
) -> dict[str, Receipt]:
    """Return the receipts of the units that are already stored, by unit id.

    A receipt comes from the snapshot if it lists the unit and the object has the listed size. Otherwise an interrupted
    run left the object, and the object itself is read and checked. A damaged object counts as not stored. An object
    older than an hour is rewritten with the same bytes: until now ``wsvad.dataset.collect`` could have deleted it as
    an unreferenced object.

    Args:
        out: target data set.
        units: units to look for. They are found with one LIST, or with a stat each if they are few in a large archive.
        base: newest snapshot.
        receipt_of: makes a receipt from a unit's id and bytes; raises ``DamagedUnit``.
        repair: whether to write: damaged objects are deleted, so that they are made again.
    """
    if not units:
        return {}
    stored = _stored(out, units, base)
    entries = base.of({u.video_id for u in units}).values() if base else ()
    published = {layout.id_of(o.key): o for entry in entries for o in entry.objects}
    found: dict[str, Receipt] = {}
    unread: list[str] = []
    for uid in (u.unit_id for u in units if u.unit_id in stored):
        o = published.get(uid)
        if o and o.bytes == stored[uid].size:
            found[uid] = Receipt(uid, "done", o.clips, o.rows, o.bytes, o.sha256)
        else:
            unread.append(uid)

    def read(uid: str) -> Receipt | None:
        key = layout.unit_key(uid)
        try:
            data = out.read(key)
            receipt = receipt_of(uid, data)
            if repair and time.time_ns() - stored[uid].mtime_ns > _OLD_NS:
                out.replace(key, data)
            return receipt
        except ObjectNotFound:
            return None
        except DamagedUnit as error:
            log.warning("%s/%s is damaged and will be recreated: %s", out.uri, key, error)
            if repair:
                out.delete(key)
            return None

    with ThreadPoolExecutor(8) as pool:
        return found | {r.unit_id: r for r in pool.map(read, unread) if r}


def _stored(out: Store, units: Sequence[VideoObject], base: Snapshot | None) -> dict[str, ObjectInfo]:
    """Return the stored objects of these units, and possibly of others, by unit id."""
    if base is None or len(units) * _KEYS_FOR_A_STAT > sum(ref.objects for ref in base.lists):
        return {layout.id_of(info.key): info for info in out.list(layout.UNITS)}

    def stat(uid: str) -> ObjectInfo | None:
        try:
            return out.stat(layout.unit_key(uid))
        except ObjectNotFound:
            return None

    with ThreadPoolExecutor(8) as pool:
        found = pool.map(stat, [u.unit_id for u in units])
        return {layout.id_of(info.key): info for info in found if info}


def check_shared_target(out: Store) -> None:
    """Check that the target is visible from this node. In a folder that is not shared, the output would be lost.

    Raises:
        StorageError: there is no data set.
    """
    try:
        out.stat(layout.DATASET)
    except ObjectNotFound as error:
        raise StorageError(
            f"{out.uri} on the node {socket.gethostname()} is not the data set that the job writes to; "
            "with several nodes use a shared folder or an s3:// URI"
        ) from error
