"""A reader of a nightly job that checks everything from the newest pointer to the last byte."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from wsvad.dataset import layout
from wsvad.dataset.snapshots import read_snapshot
from wsvad.errors import ObjectNotFound
from wsvad.events.table import decode_events
from wsvad.nightly.published import Current, SnapshotRef, current, require_current
from wsvad.storage import Store, StoreOptions, open_store


def digests(root: Path) -> dict[str, str]:
    """Return the digest of every object below a root except leases."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "drivers" not in path.parts
    }


def objects(root: Store, at: SnapshotRef) -> dict[str, list[tuple[int, str]]]:
    """Return first clip and digest of the published objects of every video or unit; check each object's digest."""
    store = open_store(f"{root.uri}/{at.prefix}", root.options)
    found: dict[str, list[tuple[int, str]]] = {}
    for o in read_snapshot(store, layout.snapshot_key(at.snapshot)).objects:
        assert hashlib.sha256(store.read(o.key)).hexdigest() == o.sha256
        found.setdefault(o.video_id, []).append((o.first_clip, o.sha256))
    return found


def units(root: Store, at: SnapshotRef) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every published unit of events by unit name."""
    store = open_store(f"{root.uri}/{at.prefix}", root.options)
    snapshot = read_snapshot(store, layout.snapshot_key(at.snapshot))
    return {o.video_id: decode_events(store.read(o.key)).rows for o in snapshot.objects}


def look(root: Store) -> Current | None:
    """Read all objects of the newest night and check that they are consistent."""
    night = current(root)
    if night is None:
        return None
    assert night.champion in night.models
    for model in night.models.values():
        features, scores, _ = (objects(root, at) for at in (model.features, model.scores, model.events))
        assert scores.keys() == features.keys(), "scores and features of different nights"
        store = open_store(f"{root.uri}/{model.scores.prefix}", root.options)
        rows = read_snapshot(store, layout.snapshot_key(model.scores.snapshot)).videos
        named = {r["video_id"] for rows_ in units(root, model.events).values() for r in rows_}
        assert named == {row["video_id"] for row in rows}, "events and scores of different nights"
    night.report(root)
    return night


class Watcher:
    """Reads the newest night in a loop while others write; every state it reads must be complete.

    Args:
        root: root of the nightly job.
        options: how to reach it.
        pause_s: seconds between two readings.
    """

    def __init__(self, root: str, options: StoreOptions | None = None, pause_s: float = 0.02) -> None:
        self._root = open_store(root, options)
        self._pause_s = pause_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.numbers: list[int] = []
        self.problem: BaseException | None = None

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self.problem:
            raise self.problem
        night = look(self._root)
        self.numbers.append(night.number if night else 0)
        assert self.numbers == sorted(self.numbers)

    def _watch(self) -> None:
        while not self._over.wait(self._pause_s):
            try:
                night = look(self._root)
                self.numbers.append(night.number if night else 0)
            except ObjectNotFound as error:  # the root itself is not there yet
                if self.numbers and self.numbers[-1]:
                    self.problem = error
                    return
            except BaseException as error:
                self.problem = error
                return


def shown(root: str | Path, options: StoreOptions | None = None) -> dict[str, Any]:
    """Return everything that readers see as one comparable value."""
    store = open_store(str(root), options)
    night = require_current(store)
    model = night.shown
    return {
        "champion": night.champion,
        "scores": objects(store, model.scores),
        "events": objects(store, model.events),
        "rows": units(store, model.events),
    }
