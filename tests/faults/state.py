"""What is stored, in values that are equal for disturbed and undisturbed runs, and what a reader must find in it."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import torch as safetensors
from tensorboardX.proto.event_pb2 import Event

from tests.nightly.reader import look
from wsvad.checkpoint import load_checkpoint
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.errors import DamagedError
from wsvad.storage import open_store

OF_A_RUN = frozenset(
    "digest run_id created_utc purged_utc seconds node elapsed_s steps_per_s steps_before hours trials.parquet".split()
)
"""Fields and columns that tell when, where, how fast and by which run something was written, and digests of them.

The rest must be equal.
"""
OF_A_PUBLICATION = frozenset({"number", "snapshot", "night", "changes"})
"""Fields of the newest snapshot and night that number publications, or depend on the publication before."""
_RUN = re.compile(r"(.*/)?(runs/\d{8}T\d{6}-[0-9a-f]{8}\.json|drivers/\d{8}\.(json|beat))")
"""Records of runs and leases: one per run, so a run more has more."""

_MOMENT = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
"""When a report was written."""
_SNAPSHOT = re.compile(rb"&#34;snapshot&#34;: \d+")
"""Number of the snapshot that a report describes."""


def stored(root: Path) -> dict[str, bytes]:
    """Return every object below a folder that is not in scratch space."""
    paths = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {key: path.read_bytes() for key, path in sorted(paths.items()) if ".tmp" not in key.split("/")}


def comparable(objects: dict[str, bytes]) -> dict[str, Any]:
    """Return the objects byte for byte, without what tells when, where and by which run they were written."""
    found: dict[str, Any] = {}
    scalars: dict[str, list[Any]] = {}
    for key, data in objects.items():
        try:
            if _RUN.fullmatch(key):
                json.loads(data)
            elif "tfevents" in key:
                scalars.setdefault(key.rpartition("/")[0], []).extend(_scalars(data))
            else:
                found[key] = _comparable(key, data)
        except Exception:  # half an object
            found[key] = data
    return {**found, **{name: sorted(rows) for name, rows in scalars.items()}}


def comparable_after_part(objects: dict[str, bytes], before: dict[str, bytes]) -> dict[str, Any]:
    """Return the objects as ``comparable`` does, without what remains of an earlier publication of a part.

    A command that cannot store all units publishes those that it could, and ends with code 4. The same command again
    publishes the rest as one more snapshot, or night, on top. So the newest one is compared whatever its number, with
    what it names; others are compared only if they were there before the first command.

    Args:
        objects: the stored objects.
        before: the objects before the first command.
    """
    kept = dict(objects)
    for root in [key.removesuffix("dataset.json") for key in objects if key.endswith("dataset.json")]:
        if newest := _newest(kept, f"{root}snapshots/"):
            _rename(kept, newest, f"{root}snapshots/newest")
            lists = json.loads(objects[newest])["lists"]
            _drop(kept, (f"{root}snapshots/0", f"{root}lists/"), {*before, *(root + ref["key"] for ref in lists)})
    for root in [key.removesuffix("current/00000001.json") for key in objects if key.endswith("current/00000001.json")]:
        newest = _newest(kept, f"{root}current/")
        _rename(kept, root + json.loads(objects[newest])["night"], f"{root}nights/newest")
        _rename(kept, newest, f"{root}current/newest")
        _drop(kept, (f"{root}current/0", f"{root}nights/"), {*before, f"{root}nights/newest"})
    for key in [key for key in kept if key.endswith("report.html")]:
        kept[key] = _SNAPSHOT.sub(b"", kept[key])
    indexes: dict[str, list[dict[str, Any]]] = {}
    for key in [key for key in kept if re.search(r"(^|/)index/v\d+/", key)]:
        rows = pq.read_table(pa.BufferReader(kept.pop(key))).to_pylist()
        indexes.setdefault(key.rpartition("/")[0], []).extend(rows)
    found = {
        key: _without(value, OF_A_PUBLICATION if key.endswith("/newest") else frozenset({"snapshot"}))
        for key, value in comparable(kept).items()
    }
    return {**found, **{name: sorted(rows, key=str) for name, rows in indexes.items()}}


def _newest(objects: dict[str, bytes], prefix: str) -> str:
    return max((key for key in objects if key.startswith(prefix)), default="")


def _rename(objects: dict[str, bytes], key: str, name: str) -> None:
    objects[name] = objects.pop(key)


def _drop(objects: dict[str, bytes], prefixes: tuple[str, ...], keep: set[str]) -> None:
    for key in [key for key in objects if key.startswith(prefixes) and key not in keep]:
        del objects[key]


def _comparable(key: str, data: bytes) -> Any:
    if data.startswith(b"{") and _changing(data):
        return _without(json.loads(data))
    if key.endswith("report.html"):
        return _MOMENT.sub(b"", data)
    if key.endswith("trials.parquet"):
        return [_without(row) for row in pq.read_table(pa.BufferReader(data)).to_pylist()]
    return data


def _changing(data: bytes) -> bool:
    return any(f'"{name}"'.encode() in data for name in OF_A_RUN)


def _without(value: Any, names: frozenset[str] = OF_A_RUN) -> Any:
    if isinstance(value, dict):
        return {name: _without(inner, names) for name, inner in value.items() if name not in names}
    return [_without(inner, names) for inner in value] if isinstance(value, list) else value


def _scalars(data: bytes) -> list[tuple[int, str, float]]:
    """Return step, name and value of the points in a file of TensorBoard events; their times differ."""
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        event = Event.FromString(data[at + 12 : at + 12 + length])
        found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
        at += 16 + length
    return found


def problems(root: Path, before: dict[str, bytes], after: dict[str, bytes], nightly: str) -> list[str]:
    """Return what a reader finds below a folder that is neither of the state before a command nor of that after it.

    Args:
        root: what a disturbed command left.
        before: the objects before the command.
        after: the objects after an undisturbed run of it.
        nightly: root of a nightly job below ``root``, or an empty string.
    """
    now = stored(root)
    known, found = (comparable(before), comparable(after)), comparable(now)
    wrong = []
    for key, value in found.items():
        if all(state.get(key) != value for state in known) and (text := _broken(key, now.get(key))):
            wrong.append(f"{key} is neither old nor new: {text}")
    wrong += [text for key in now if key.endswith("dataset.json") for text in _data_set(key, root, before, now, after)]
    for key in now:
        folder = key.rpartition("/")[0]
        if key.endswith("checkpoint/config.json") and f"{folder}/model.safetensors" in now:
            load_checkpoint(str(root / folder))
    if nightly:
        look(open_store(str(root / nightly)))
    return wrong


def _broken(key: str, data: bytes | None) -> str:
    """Return why an object is not whole, judged by its own format; empty if it is."""
    try:
        if data is None:
            return ""
        if key.endswith(".parquet"):
            pq.read_table(pa.BufferReader(data))
        elif key.endswith(".json"):
            json.loads(data)
        elif key.endswith(".safetensors"):
            safetensors.load(data)
        elif not data.endswith(b"\n"):
            return "it has no end"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _data_set(
    key: str, root: Path, before: dict[str, bytes], now: dict[str, bytes], after: dict[str, bytes]
) -> list[str]:
    """Return the rows of the newest snapshot that are of neither state, and those whose object is missing."""
    prefix = key.removesuffix("dataset.json")
    try:
        snapshot = latest_snapshot(open_store(str(root / prefix)))
    except DamagedError as error:
        damaged = max(k for k in now if k.startswith(f"{prefix}snapshots/"))
        return [] if before.get(damaged) == now[damaged] else [str(error)]
    wrong = []
    for o in snapshot.objects if snapshot else ():
        versions = [objects.get(prefix + o.key) for objects in (before, after)]
        if now.get(prefix + o.key) not in [v for v in versions if v is not None]:
            wrong.append(f"{prefix}{o.key} of snapshot {snapshot.number if snapshot else 0} is missing or a phantom")
    return wrong
