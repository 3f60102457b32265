"""Any object of any stored data, damaged in any way: reported by verify, exit code 5, repaired; never a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.stored_data import StoredData, cases, extracted, imported, patched, trained_and_scored
from tests.dataset.legacy import downgrade
from wsvad.cli import main
from wsvad.dataset.snapshots import read_snapshot, snapshot_keys
from wsvad.storage import open_store

AllStored = dict[str, StoredData]

DATA_SETS = ("extracted", "imported", "planted", "scores")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllStored]:
    """One data set of each kind, created in this process, with caches in a folder of the tests."""
    patch, threads = patched(), torch.get_num_threads()
    patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("caches")))
    patch.setattr("tempfile.tempdir", None)
    root = tmp_path_factory.mktemp("stored")
    planted, run, scores = trained_and_scored(root / "trained")
    made = {"extracted": extracted(root / "extracted"), "imported": imported(root / "imported")}
    yield {**made, "planted": planted, "run": run, "scores": scores}
    patch.undo()
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def restored(stored: AllStored) -> None:
    """Restore all data before each test."""
    for data in stored.values():
        data.restore()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Any:
    """Return a function that runs a command: ``(exit code, JSON)``; its log must not contain a traceback."""

    def run(words: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        caplog.clear()
        code = main(list(words))
        out = capsys.readouterr().out
        assert "Traceback" not in caplog.text, caplog.text
        return code, json.loads(out) if out.startswith("{") else {}

    return run


def harmless(key: str, damage: str, newest: str) -> bool:
    """Whether the damage has no effect: nothing reads the object, or the next run creates it again."""
    part = key.partition("/")[0]
    if part in ("metrics.csv", "tensorboard"):  # drawings of the states' content
        return True
    if damage != "delete":
        return False
    if part == "state":
        return key.endswith(".json")  # a killed run leaves only the tensors
    return part in ("index", "pictures", "quarantine", "runs", "run.json") or (part == "snapshots" and key != newest)


def newest_snapshot(data: StoredData) -> str:
    """Return the key of the newest snapshot, or an empty string."""
    return max((key for key in data.keys if key.startswith("snapshots/")), default="")


@pytest.mark.parametrize("name", [*DATA_SETS, "run"])
def test_verify_reports_all_damage(stored: AllStored, call: Any, name: str) -> None:
    """A flipped bit, truncation to half, one byte less, empty, deleted: exit code 5 and the object's name."""
    data = stored[name]
    assert call(data.verify)[0] == data.code
    newest = newest_snapshot(data)
    wrong = []
    for key, damage, seed in cases(data, range(8)):
        if key == newest and damage == "delete" and not any(k.startswith("runs/") for k in data.keys):
            continue  # nothing indicates that it ever existed
        changed = data.spoil(key, damage, seed)
        code, report = call(data.verify)
        named = any(key in fault for fault in report.get("faults", ()))
        expected = (code, named) == (5, True) or (harmless(key, damage, newest) and code == data.code)
        if changed and not expected:
            wrong.append((key, damage, seed, code, report.get("faults")))
        shutil.copy2(data.kept / key, data.root / key)
    assert not wrong
    data.restore()
    assert call(data.verify)[0] == data.code


@pytest.mark.parametrize("name", [*DATA_SETS, "run"])
def test_quick_verification_of_intact_data(stored: AllStored, call: Any, name: str) -> None:
    """``--quick`` and ``--repair`` change nothing in intact data."""
    data = stored[name]
    before = {key: (data.root / key).read_bytes() for key in data.keys}
    for more in (("--quick",), ("--repair",)):
        assert call((*data.verify, *more))[0] == data.code
    assert {key: (data.root / key).read_bytes() for key in data.keys} == before


def restored_by_the_next_run(data: StoredData, key: str, newest: str) -> bool:
    """Whether a repair can only remove the object, and verify reports it as missing until the next run."""
    only = sum(k.startswith("snapshots/") for k in data.keys) <= 1
    return (only and (key == newest or key.startswith("lists/"))) or key == "training_ids.json"


@pytest.mark.parametrize("name", ["extracted", "imported", "scores"])
def test_repair_and_rerun(stored: AllStored, call: Any, name: str) -> None:
    """Every kind of object and damage: 4 from the repair, then the original command restores everything."""
    data, wrong = stored[name], []
    newest = newest_snapshot(data)
    for key, damage, _ in cases(data, [0], few=True):
        if damage in ("cut", "last byte") or not data.spoil(key, damage):
            continue
        repaired = call((*data.verify, "--repair"))[0]
        after = call(data.verify)[0]
        made, report = call(data.make)[0], call(data.verify)
        first = data.code if harmless(key, damage, newest) else 4
        if restored_by_the_next_run(data, key, newest):
            first, after = (5 if damage == "delete" and not key.startswith("lists/") else 4), after - 5
        if repaired != first or after == 5 or (made, report[0]) != (data.code, data.code):
            wrong.append((key, damage, repaired, after, made, *report))
        data.restore()
    assert not wrong


@pytest.mark.parametrize("name", [*DATA_SETS, "run"])
def test_damage_is_never_read_as_data(stored: AllStored, call: Any, name: str) -> None:
    """A command that reads a damaged object exits with 5; others ignore or recreate the object."""
    data = stored[name]
    commands = [words for words in (data.make, *data.readers) if words]
    well = {words: data.code if words == data.make else 0 for words in commands}
    ended: dict[str, set[int]] = {}
    for key, damage, seed in cases(data, [1], few=True):
        if damage in ("cut", "last byte") or key.startswith(("tensorboard", "metrics")):
            continue
        if name == "planted" and (key, damage) == (newest_snapshot(data), "delete"):
            continue  # nothing indicates that it ever existed
        for words in commands:
            for made in ("fresh", "fresh-run", "report", "table"):
                shutil.rmtree(data.root.parent / made, ignore_errors=True)
            data.spoil(key, damage, seed)
            code = call(words)[0]
            assert code in (5, well[words]), (key, damage, words[0], code)
            ended.setdefault(key.partition("/")[0], set()).add(code)
            data.restore()
    must = {"dataset.json", "snapshots", "lists", "training_ids.json", "checkpoint", "training.json"} & ended.keys()
    assert all(5 in ended[part] for part in must), ended
    if "index" in ended:
        assert ended["index"] == {data.code}


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "delete"])
def test_evaluation_requires_the_list_of_training_videos(stored: AllStored, call: Any, damage: str) -> None:
    """Without an intact list, no metric is computed on possible training videos."""
    data = stored["scores"]
    (evaluate,) = data.readers
    assert call(evaluate)[0] == 0
    data.spoil("training_ids.json", damage)
    assert call(evaluate)[0] == 5
    (data.root / "training_ids.json").write_text("[]")
    assert call(evaluate)[0] == 5
    data.restore()


def test_damaged_units_are_reported_by_all(stored: AllStored, call: Any) -> None:
    """A damaged unit gives exit code 5 in score, train, evaluate and verify."""
    for name in ("planted", "scores"):
        data = stored[name]
        readers = [words for words in data.readers if words[0] != "compare"]  # its dry run reads one unit
        for damage in ("flip", "empty", "delete"):
            for key in [key for key in data.keys if key.startswith("units/")]:
                data.spoil(key, damage)
            for words in (data.verify, *readers):
                assert call(words)[0] == 5, words
            data.restore()


def test_repaired_snapshot_has_the_previous_content(stored: AllStored, call: Any) -> None:
    """Under the number of the damaged one; later units are reused."""
    data = stored["imported"]
    newest = newest_snapshot(data)
    (data.root / newest).write_bytes(b"{}")
    code, report = call((*data.verify, "--repair"))
    assert (code, report["snapshot"], report["repaired"]) == (4, 1, True)
    assert newest_snapshot(data) == newest
    assert call(data.verify)[1]["videos"] == 1
    code, summary = call(data.make)
    assert (code, summary["units_to_do"], summary["units_done_before"]) == (0, 0, 2)
    data.restore()


def test_lost_list_is_restored_from_older_snapshots(stored: AllStored, call: Any) -> None:
    """Its other videos are published again by the next run, which finds their units; its snapshot is removed."""
    data = stored["imported"]
    newest = json.loads((data.root / newest_snapshot(data)).read_text())
    (lost,) = newest["lists"]
    (data.root / lost["key"]).write_bytes(b"PAR1")
    code, report = call((*data.verify, "--repair"))
    assert (code, report["damaged_keys"]) == (4, [lost["key"]])
    code, report = call(data.verify)
    assert (code, report["snapshot"], report["videos"], report["unpublished"]) == (0, 3, 1, 1)
    assert not (data.root / "snapshots/00000002.json").exists()
    code, summary = call(data.make)
    assert (code, summary["units_to_do"], summary["units_done_before"]) == (0, 0, 2)
    assert call(data.verify)[1]["videos"] == 2
    data.restore()


def test_lost_table_of_an_earlier_version(stored: AllStored, call: Any) -> None:
    """Rows of older tables are kept; others are rebuilt from their objects; scoring works meanwhile."""
    data = stored["imported"]
    store = open_store(str(data.root))
    tables = [downgrade(store, read_snapshot(store, key)) for key in snapshot_keys(store)]
    assert call(data.verify)[0] == 0
    (data.root / tables[-1]).write_bytes(b"PAR1")
    assert call((*data.verify, "--repair"))[0] == 4
    code, report = call(data.verify)
    assert (code, report["videos"], report["videos_complete"], report["faults"]) == (3, 2, 1, [])
    assert [line.split(":")[:2] for line in report["unaccounted"]] == [["b", " partial, 3 of 3 clips"]]
    assert call(data.make)[0] == 0
    assert call(data.verify)[0] == 0
    data.restore()


def test_verify_counts(stored: AllStored, call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing objects are not counted as present, damaged or removed; nor their clips and videos."""
    data = stored["imported"]
    units = sorted(key for key in data.keys if key.startswith("units/"))
    (data.root / units[0]).unlink()
    code, report = call((*data.verify, "--quick"))
    assert (code, report["objects"], report["whole_objects"], report["videos_complete"]) == (5, 2, 1, 1)
    assert (report["missing_keys"], report["damaged_keys"]) == ([units[0]], [])
    assert report["clips"] < report["expected_clips"] == 7
    words = [word for word in data.verify if word != "--json"]
    assert main([*words, "--quick"]) == 5
    assert "1 of 2 objects present with the right size (not read)" in capsys.readouterr().out
    assert main([*words, "--repair"]) == 4
    out = capsys.readouterr().out
    assert "1 missing objects are no longer expected" in out
    assert "removed" not in out
    data.restore()


def test_replaced_video_counts_once(stored: AllStored, call: Any, tmp_path: Path) -> None:
    """A video listed with other content than in the snapshot counts once, as incomplete."""
    data = stored["extracted"]
    videos = Path(data.make[data.make.index("--videos") + 1])
    shutil.copytree(videos, tmp_path / "in")
    (tmp_path / "in" / "a.mp4").write_bytes((videos / "b.mp4").read_bytes())
    code, report = call((*data.verify, "--videos", str(tmp_path / "in")))
    assert (code, report["videos"], report["incomplete"], report["videos_complete"]) == (4, 3, 1, 1)
    assert [line.split(":")[0] for line in report["unaccounted"]] == ["broken.mp4", "a.mp4"]
