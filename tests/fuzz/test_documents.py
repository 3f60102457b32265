"""Readers one by one: each either reads what it is given, or raises an error of ours."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.dataset.legacy import one_level
from tests.extraction.factories import make_index
from tests.fuzz.changing import DEEP, spoiled_bytes, spoiled_json, spoiled_values
from wsvad.checkpoint.tensors import digest_of
from wsvad.cli.main import VERBS
from wsvad.cli.parser import build, parse
from wsvad.dataset.lists import ListRef
from wsvad.dataset.snapshots import Snapshot, SnapshotObject
from wsvad.documents import DocumentError, parse_object
from wsvad.errors import WsvadError
from wsvad.manifest.public.folder import Folder
from wsvad.manifest.records import decode_records, encode_records
from wsvad.manifest.table import read_manifest
from wsvad.models.registry import MODELS, check_size, config_from_dict, default_config
from wsvad.training.summary import TrainSummary
from wsvad.video import VideoIndex
from wsvad.work.quarantine import QuarantineRecord

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

OBJECT = SnapshotObject("units/00/00.parquet", "a.mp4", "0" * 32, 0, 3, 3, 3, 100, "0" * 64)
LIST = ListRef("lists/0.parquet", "0" * 64, "a.mp4", 1, 1, 3, 3)
SNAPSHOT = Snapshot(1, "f" * 64, {"clips": {"length": 16}}, (LIST,), "run", "2026", 3)
QUARANTINE = QuarantineRecord("0" * 32, "a.mp4", "file:///a.mp4", "1" * 32, 0, None, "empty", "it is").to_json()
INDEX = json.dumps({**make_index().to_dict(), "seek_points": [[0, 0, 0, 0], [750, 750, 749, 750]]}).encode()
SUMMARY = TrainSummary("out", "ltgs", "f", "0", "", 1, 1, 0, 0, val_is_cut=False, missing=0, steps=3, steps_before=0)


def _index(data: bytes) -> object:
    return VideoIndex.from_dict(parse_object(data, bits=128))


READERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "snapshot": (SNAPSHOT.to_json(), lambda data: Snapshot.from_json(data, "1.json").to_json()),
    "snapshot of one level": (
        one_level(SNAPSHOT, [OBJECT], "videos/0.parquet"),
        lambda data: Snapshot.from_json(data, "1.json").table_keys,
    ),
    "quarantine": (QUARANTINE, lambda data: QuarantineRecord.from_json(data).to_json()),
    "index": (INDEX, _index),
    "summary": (SUMMARY.to_json().encode(), lambda data: TrainSummary.from_dict(parse_object(data)).to_json()),
}


@pytest.mark.parametrize("name", READERS)
@MANY
@given(st.data())
def test_json_of_ours_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """Whatever its values became; what is read can be written again."""
    whole, read = READERS[name]
    read(whole)
    spoiled = data.draw(spoiled_json(whole))
    with contextlib.suppress(WsvadError, DocumentError):
        read(spoiled)


@MANY
@given(st.data())
def test_the_settings_of_a_model_are_taken_or_refused(data: st.DataObject) -> None:
    """Also those that would ask for more memory than there is."""
    name = data.draw(st.sampled_from(tuple(MODELS)))
    values = data.draw(spoiled_values(default_config(name, 64).to_dict()))
    with contextlib.suppress(WsvadError):
        check_size(config_from_dict(values if isinstance(values, dict) else {"name": values}))


EXTRACT = build(VERBS, ["extract"])
TOML = b"""videos = "in"
out = 'o'
clip_length = 8
workers = 2
unit_s = 60.5
cuboids = false
json = true
"""


@MANY
@given(spoiled_bytes(TOML))
@example(b"a = " + DEEP.encode())
@example(b"workers = " + b"9" * 5000)
@example(b"workers = 1979-05-27T07:32:00Z")
@example(b"unit_s = nan")
@example(b"[extract]\nvideos = 1")
@example(b'"" = 1')
def test_an_option_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    """With an error of ours, whatever is in it."""
    path = tmp_path / "o.toml"
    path.write_bytes(data)
    with contextlib.suppress(WsvadError):
        assert parse(EXTRACT, ["extract", "--config", str(path)]).verb == "extract"


MANIFEST = b"""video_id,uri,label,split,category,num_frames,width,height,spans,boxes
a.mp4,in/a.mp4,1,test,Arson,100,320,240,10-20 30-40,"10-20:0,0,9,9#1"
n.mp4,in/n.mp4,0,train,Normal,50,,,none,none
"""


@MANY
@given(spoiled_bytes(MANIFEST))
@example(MANIFEST.replace(b"100", b"9" * 5000))
@example(MANIFEST.replace(b"100", b"1e300"))
@example(MANIFEST.replace(b"#1", b"#" + b"9" * 5000))
@example(b"\0" + MANIFEST)
@example(MANIFEST.replace(b"Arson", b'"' + b"x" * 200_000 + b'"'))
@example(MANIFEST.replace(b"\n", b"\r"))
@example(MANIFEST.decode().encode("utf-16"))
def test_a_manifest_is_read_or_refused(data: bytes) -> None:
    """For extraction and for its truth; what is read can be written, and comes back the same."""
    for read in (read_manifest, decode_records):
        try:
            found = read(data, name="m.csv")
        except WsvadError:
            continue
        if read is decode_records:
            for suffix in (".csv", ".parquet"):
                assert decode_records(encode_records(found, suffix=suffix), name="again") == found


@MANY
@given(spoiled_bytes(b"video,frames\na,1\n"))
@example(b'video,frames\n"' + b"x" * 200_000 + b'",1\n')
@example(b"video,frames\na,1\0\n")
@example(b'video,frames\n"a"b,1\n')
def test_a_table_of_annotations_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    """Whatever the CSV reader stumbles over."""
    (tmp_path / "videos.csv").write_bytes(data)
    with contextlib.suppress(WsvadError):
        list(Folder(str(tmp_path)).rows("videos.csv", ("video", "frames")))


def test_a_config_that_asks_for_more_memory_than_there_is_costs_none(tmp_path: Path) -> None:
    """The tensors are held against its shapes first; 10 GB are never asked for, whatever the digest says."""
    from resource import RLIMIT_AS, getrlimit, setrlimit

    from tests.checkpoint.test_folder import make
    from wsvad.checkpoint import load_checkpoint, save_checkpoint
    from wsvad.errors import WeightsError
    from wsvad.storage import open_store

    save_checkpoint(open_store(str(tmp_path)), "", make())
    described = json.loads((tmp_path / "config.json").read_text())
    described["model"] = default_config("ltgs", 2048, bottleneck=1 << 20, heads=64).to_dict()
    del described["digest"], described["files"]
    canonical = json.dumps(described, sort_keys=True, separators=(",", ":")).encode()
    described["digest"] = digest_of(make().state, canonical)
    (tmp_path / "config.json").write_text(json.dumps(described))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    before = getrlimit(RLIMIT_AS)
    setrlimit(RLIMIT_AS, (used + (1 << 30), before[1]))
    try:
        with pytest.raises(WeightsError, match="the tensors do not match a 'ltgs' model"):
            load_checkpoint(str(tmp_path))
    finally:
        setrlimit(RLIMIT_AS, before)
