"""The data set that units are written to, and what earlier runs left in it."""

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
from wsvad.work.receipt import Named, Receipt

log = logging.getLogger(__name__)

_OLD_NS = 3600 * 10**9
_KEYS_FOR_A_STAT = 32  # keys that a LIST gives in the time of one question by one of eight threads, about


class OfVideo(Named, Protocol):
    """A unit that a snapshot lists under a video."""

    @property
    def video_id(self) -> str:
        """The video."""
        ...


class DamagedUnit(Exception):
    """The bytes of a stored unit cannot be trusted."""


def adopt(
    out: Store,
    units: Sequence[OfVideo],
    base: Snapshot | None,
    receipt_of: Callable[[str, bytes], Receipt],
    *,
    mend: bool,
) -> dict[str, Receipt]:
    """Return the receipts of those units that are stored already, by unit id.

    Taken from the snapshot where it names the unit and the object has the size that it says, else from the object
    itself: an interrupted run left it, and this is the moment to find out whether it is whole. One that is not counts
    as not stored. One that is old is written anew, the same bytes: to ``wsvad.dataset.collect`` it was rubbish until
    now.

    Args:
        out: the data set.
        units: which units to look for; one LIST finds them, or, of few in a large archive, a question for each.
        base: the newest snapshot.
        receipt_of: reads a stored unit's receipt from its bytes; raises ``DamagedUnit`` where they are not whole.
        mend: whether anything may be written: damaged objects are removed, so that they can be made again.
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
            if mend and time.time_ns() - stored[uid].mtime_ns > _OLD_NS:
                out.replace(key, data)
            return receipt
        except ObjectNotFound:
            return None
        except DamagedUnit as error:
            log.warning("%s/%s is damaged and is made again: %s", out.uri, key, error)
            if mend:
                out.delete(key)
            return None

    with ThreadPoolExecutor(8) as pool:
        return found | {r.unit_id: r for r in pool.map(read, unread) if r}


def _stored(out: Store, units: Sequence[OfVideo], base: Snapshot | None) -> dict[str, ObjectInfo]:
    """Objects of these units that are there, and perhaps of others, by unit id."""
    if base is None or len(units) * _KEYS_FOR_A_STAT > sum(ref.objects for ref in base.lists):
        return {layout.id_of(info.key): info for info in out.list(layout.UNITS)}

    def look(uid: str) -> ObjectInfo | None:
        try:
            return out.stat(layout.unit_key(uid))
        except ObjectNotFound:
            return None

    with ThreadPoolExecutor(8) as pool:
        found = pool.map(look, [u.unit_id for u in units])
        return {layout.id_of(info.key): info for info in found if info}


def confirm_target(out: Store) -> None:
    """Raise where the target is a folder that this node does not share: what is written there, nobody sees.

    Raises:
        StorageError: there is no data set.
    """
    try:
        out.stat(layout.DATASET)
    except ObjectNotFound as error:
        raise StorageError(
            f"{out.uri} on the node {socket.gethostname()} is not the data set that the job writes to; "
            "several nodes need a folder that they share, or an s3:// URI"
        ) from error
