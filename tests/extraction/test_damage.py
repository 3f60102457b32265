"""Leftovers of killed runs and damaged disks: no data lost, no traceback, no false evidence."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.extraction.factories import CONFIG, make_index, make_video, unit_bytes
from tests.extraction.harness import QUICK, run_here, stored
from wsvad.dataset import layout
from wsvad.extraction.units import plan_units
from wsvad.extraction.worker import receipt_of
from wsvad.work.stored import DamagedUnit

pytestmark = pytest.mark.usefixtures("in_process")


def forget_snapshots(out: Path) -> None:
    """Delete the snapshots, like a run killed just before it published."""
    for folder in ("snapshots", "lists", "runs"):
        shutil.rmtree(out / folder)


def flip(path: Path, place: float) -> None:
    """Flip the bits of 16 bytes at a fraction of a file's length, or at a number of bytes from its end."""
    data = bytearray(path.read_bytes())
    start = int(place * len(data)) if 0 < place < 1 else len(data) + int(place)
    data[start : start + 16] = bytes(b ^ 0xFF for b in data[start : start + 16])
    path.write_bytes(data)


def unit_of_video(out: Path, video_id: str) -> Path:
    """Return the path of a video's only unit."""
    for path in out.glob("units/*/*.parquet"):
        if json.loads(pq.read_schema(path).metadata[b"wsvad.unit"])["video_id"] == video_id:
            return path
    raise AssertionError(video_id)


@pytest.mark.parametrize("damage", ["truncated", "empty", "footer"])
def test_damaged_unit_of_an_interrupted_run_can_be_repaired(dataset, capsys, damage):
    """No snapshot contains it. Extract makes it again by itself, or verify --repair removes it."""
    out, words = dataset
    forget_snapshots(out)
    path = unit_of_video(out, "a.mp4")
    if damage == "footer":
        flip(path, -60)
    else:
        os.truncate(path, 0 if damage == "empty" else path.stat().st_size - 5)
    run_here(capsys, *words)
    run_here(capsys, "verify", "--out", str(out), "--json", "--repair")
    code, summary = run_here(capsys, *words)
    assert (code, summary.get("videos_complete")) == (0, 2)


def test_damaged_cuboids_of_an_interrupted_run_are_not_published(dataset, capsys):
    """A unit of a killed run is reused only if all of its columns are intact."""
    out, words = dataset
    good = pq.read_table(unit_of_video(out, "a.mp4"))
    forget_snapshots(out)
    flip(unit_of_video(out, "a.mp4"), 0.6)
    if run_here(capsys, *words)[0] == 0:
        assert pq.read_table(unit_of_video(out, "a.mp4")).equals(good)


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("dataset.json", b"[1]"),
        ("dataset.json", b'{"features": null}'),
        ("index/*/*.parquet", b"PAR1 no more"),
        ("index/*/*.parquet", b""),
        ("lists/*.parquet", b"PAR1 no more"),
        ("snapshots/*.json", b"{}"),
    ],
)
@pytest.mark.parametrize("verb", ["extract", "verify"])
def test_unreadable_bookkeeping_files_give_no_traceback(dataset, capsys, caplog, verb, what, content):
    """Exit code 0, 4 or 5, never an exception that reaches the user."""
    out, words = dataset
    next(out.glob(what)).write_bytes(content)
    if verb == "verify":
        words = ("verify", "--out", str(out), "--json")
    assert run_here(capsys, *words)[0] in (0, 4, 5)


@pytest.mark.parametrize("content", [b"", b"{", b'{"unit_id": "x", "of_a_later_version": 1}', b"[]"])
def test_unreadable_quarantine_record_is_no_evidence(dataset, capsys, caplog, content):
    """An unreadable record is removed with a warning, and its unit is tried again."""
    out, words = dataset
    path = unit_of_video(out, "a.mp4")
    record = out / layout.quarantine_key(path.stem)
    record.parent.mkdir(parents=True)
    record.write_bytes(content)
    path.unlink()
    assert run_here(capsys, "verify", "--out", str(out), "--json")[0] == 5
    assert run_here(capsys, *words, "--dry-run")[0] == 0
    assert record.exists()
    assert run_here(capsys, *words)[0] == 0
    assert "the unit is retried" in caplog.text
    assert not record.exists()
    assert run_here(capsys, "verify", "--out", str(out), "--json")[0] == 0


def test_a_damaged_unit_is_detected_repaired_and_extracted_again(videos, tmp_path, capsys):
    """Bit rot: verify reports it (5), repairs it (4), the next run writes the same bytes again (0)."""
    out = tmp_path / "out"
    words = ("extract", "--videos", str(videos / "short.mp4"), "--out", str(out), *QUICK)
    run_here(capsys, *words)
    before = stored(str(out))
    path = next((out / "units").rglob("*.parquet"))
    os.truncate(path, path.stat().st_size - 5)
    assert run_here(capsys, "verify", "--out", str(out), "--json")[0] == 5
    assert run_here(capsys, "verify", "--out", str(out), "--json", "--repair")[0] == 4
    assert run_here(capsys, *words)[0] == 0
    assert stored(str(out)) == before
    assert run_here(capsys, "verify", "--out", str(out), "--videos", str(videos / "short.mp4"), "--json")[0] == 0


def test_a_damaged_unit_of_a_removed_video_can_be_removed(dataset, tmp_path, capsys):
    """It cannot be extracted again: after repair and extract the data set verifies."""
    out, words = dataset
    videos = tmp_path / "in"
    shutil.copytree(words[2], videos)
    words = ("extract", "--videos", str(videos), *words[3:])
    run_here(capsys, *words)
    (videos / "a.mp4").unlink()
    path = unit_of_video(out, "a.mp4")
    os.truncate(path, path.stat().st_size - 5)
    assert run_here(capsys, "verify", "--out", str(out), "--json", "--repair")[0] == 4
    run_here(capsys, *words)
    code, report = run_here(capsys, "verify", "--out", str(out), "--json", "--repair")
    assert code in (0, 3), report["faults"]


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_of_an_unpublished_unit_is_detected_or_harmless(seed):
    """Pages have checksums, the footer has none: half of the flipped bits are in the footer."""
    (unit,) = plan_units(make_video(), make_index(), CONFIG)
    data, rng = unit_bytes(unit), random.Random(seed)
    whole, good = pq.read_table(pa.BufferReader(data)), receipt_of(unit.unit_id, data)
    footer = int.from_bytes(data[-8:-4], "little") + 8
    for number in range(300):
        at = rng.randrange(len(data) - footer if number % 2 else 0, len(data))
        bad = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        try:
            receipt = receipt_of(unit.unit_id, bad)
        except DamagedUnit:
            continue
        table = pq.read_table(pa.BufferReader(bad))
        assert table.equals(whole), at
        assert table.schema.equals(whole.schema), at
        assert (receipt.clips, receipt.rows, receipt.missing) == (good.clips, good.rows, good.missing), at


def test_a_damaged_index_is_rebuilt_with_a_warning(dataset, capsys, caplog):
    """One wrong bit anywhere: its videos are indexed again, and the damaged object is deleted."""
    out, words = dataset
    rng = random.Random(0)
    for _ in range(3):
        (path,) = out.glob("index/*/*.parquet")
        data = path.read_bytes()
        at = rng.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :])
        caplog.clear()
        assert run_here(capsys, *words)[0] == 0
        assert "its videos are indexed again" in caplog.text
        assert run_here(capsys, "verify", "--out", str(out), "--json")[0] == 0


def test_a_truncated_published_unit_is_extracted_again(dataset, capsys):
    """Its size shows the damage; no verification is needed first."""
    out, words = dataset
    before = stored(str(out))
    path = unit_of_video(out, "a.mp4")
    os.truncate(path, path.stat().st_size - 5)
    code, summary = run_here(capsys, *words)
    assert (code, summary["units_done_now"]) == (0, 1)
    assert stored(str(out)) == before
