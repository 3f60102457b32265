"""Any object of anything at rest, damaged in any way: named by verify, exit code 5, mended; never a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.worlds import World, cases, extracted, imported, patched, trained_and_scored
from tests.dataset.legacy import downgrade
from wsvad.cli import main
from wsvad.dataset.snapshots import read_snapshot, snapshot_keys
from wsvad.storage import open_store

Worlds = dict[str, World]

DATA_SETS = ("extracted", "imported", "planted", "scores")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """One of each kind, in this process, with caches in a folder of the tests."""
    patch, threads = patched(), torch.get_num_threads()
    patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("caches")))
    patch.setattr("tempfile.tempdir", None)
    root = tmp_path_factory.mktemp("worlds")
    planted, run, scores = trained_and_scored(root / "trained")
    made = {"extracted": extracted(root / "extracted"), "imported": imported(root / "imported")}
    yield {**made, "planted": planted, "run": run, "scores": scores}
    patch.undo()
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def as_they_were(worlds: Worlds) -> None:
    """Each test begins with whole worlds, whatever became of the test before."""
    for world in worlds.values():
        world.restore()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Any:
    """Run a command in this process: ``(exit code, JSON)``; what it logs must hold no traceback."""

    def run(words: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        caplog.clear()
        code = main(list(words))
        out = capsys.readouterr().out
        assert "Traceback" not in caplog.text, caplog.text
        return code, json.loads(out) if out.startswith("{") else {}

    return run


def harmless(key: str, damage: str, newest: str) -> bool:
    """What nobody can miss: nothing reads it, or the next run makes it again by itself."""
    part = key.partition("/")[0]
    if part in ("metrics.csv", "tensorboard"):  # drawings of what the states hold
        return True
    if damage != "delete":
        return False
    if part == "state":
        return key.endswith(".json")  # the tensors alone are what a killed run leaves
    return part in ("index", "pictures", "quarantine", "runs", "run.json") or (part == "snapshots" and key != newest)


def newest_snapshot(world: World) -> str:
    """Key of the newest snapshot, or nothing."""
    return max((key for key in world.keys if key.startswith("snapshots/")), default="")


@pytest.mark.parametrize("name", [*DATA_SETS, "run"])
def test_verify_names_whatever_is_damaged(worlds: Worlds, call: Any, name: str) -> None:
    """One wrong bit at any place, half, all but a byte, nothing, none: exit code 5 and the object's name."""
    world = worlds[name]
    assert call(world.verify)[0] == world.code
    newest = newest_snapshot(world)
    wrong = []
    for key, damage, seed in cases(world, range(8)):
        if key == newest and damage == "delete" and not any(k.startswith("runs/") for k in world.keys):
            continue  # nothing is left that says it was ever there
        changed = world.spoil(key, damage, seed)
        code, report = call(world.verify)
        named = any(key in fault for fault in report.get("faults", ()))
        expected = (code, named) == (5, True) or (harmless(key, damage, newest) and code == world.code)
        if changed and not expected:
            wrong.append((key, damage, seed, code, report.get("faults")))
        shutil.copy2(world.kept / key, world.root / key)
    assert not wrong
    world.restore()
    assert call(world.verify)[0] == world.code


@pytest.mark.parametrize("name", [*DATA_SETS, "run"])
def test_quick_verification_of_whole_data_is_the_same(worlds: Worlds, call: Any, name: str) -> None:
    """``--quick`` of what is whole; ``--repair`` of what is whole changes nothing."""
    world = worlds[name]
    before = {key: (world.root / key).read_bytes() for key in world.keys}
    for more in (("--quick",), ("--repair",)):
        assert call((*world.verify, *more))[0] == world.code
    assert {key: (world.root / key).read_bytes() for key in world.keys} == before


def by_the_next_run(world: World, key: str, newest: str) -> bool:
    """What a repair can only remove; until the next run it is missing, and verify says so."""
    only = sum(k.startswith("snapshots/") for k in world.keys) <= 1
    return (only and (key == newest or key.startswith("lists/"))) or key == "training_ids.json"


@pytest.mark.parametrize("name", ["extracted", "imported", "scores"])
def test_repair_and_the_same_command_again_heal(worlds: Worlds, call: Any, name: str) -> None:
    """Every kind of object, each damage: 4 from the repair, then the command that made it, then all is well."""
    world, wrong = worlds[name], []
    newest = newest_snapshot(world)
    for key, damage, _ in cases(world, [0], few=True):
        if damage in ("cut", "last byte") or not world.spoil(key, damage):
            continue
        repaired = call((*world.verify, "--repair"))[0]
        after = call(world.verify)[0]
        made, report = call(world.make)[0], call(world.verify)
        first = world.code if harmless(key, damage, newest) else 4
        if by_the_next_run(world, key, newest):
            first, after = (5 if damage == "delete" and not key.startswith("lists/") else 4), after - 5
        if repaired != first or after == 5 or (made, report[0]) != (world.code, world.code):
            wrong.append((key, damage, repaired, after, made, *report))
        world.restore()
    assert not wrong


@pytest.mark.parametrize("name", [*DATA_SETS, "run"])
def test_no_verb_takes_damage_for_data(worlds: Worlds, call: Any, name: str) -> None:
    """What a command reads and finds damaged ends it with 5; or it is none of its business, or it makes it again."""
    world = worlds[name]
    commands = [words for words in (world.make, *world.readers) if words]
    well = {words: world.code if words == world.make else 0 for words in commands}
    ended: dict[str, set[int]] = {}
    for key, damage, seed in cases(world, [1], few=True):
        if damage in ("cut", "last byte") or key.startswith(("tensorboard", "metrics")):
            continue
        if name == "planted" and (key, damage) == (newest_snapshot(world), "delete"):
            continue  # nothing is left that says it was ever there
        for words in commands:
            for made in ("fresh", "fresh-run", "report", "table"):
                shutil.rmtree(world.root.parent / made, ignore_errors=True)
            world.spoil(key, damage, seed)
            code = call(words)[0]
            assert code in (5, well[words]), (key, damage, words[0], code)
            ended.setdefault(key.partition("/")[0], set()).add(code)
            world.restore()
    must = {"dataset.json", "snapshots", "lists", "training_ids.json", "checkpoint", "training.json"} & ended.keys()
    assert all(5 in ended[part] for part in must), ended
    if "index" in ended:
        assert ended["index"] == {world.code}


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "delete"])
def test_an_honest_test_needs_its_list_of_training_videos(worlds: Worlds, call: Any, damage: str) -> None:
    """Whatever became of the list of scores, or of a checkpoint's: no figure on training videos comes out."""
    world = worlds["scores"]
    (evaluate,) = world.readers
    assert call(evaluate)[0] == 0
    world.spoil("training_ids.json", damage)
    assert call(evaluate)[0] == 5
    (world.root / "training_ids.json").write_text("[]")
    assert call(evaluate)[0] == 5
    world.restore()


def test_units_are_judged_the_same_by_all(worlds: Worlds, call: Any) -> None:
    """A damaged unit of features is 5 for score and train, one of scores for evaluate, as it is for verify."""
    for name in ("planted", "scores"):
        world = worlds[name]
        readers = [words for words in world.readers if words[0] != "compare"]  # its dry run reads one unit
        for damage in ("flip", "empty", "delete"):
            for key in [key for key in world.keys if key.startswith("units/")]:
                world.spoil(key, damage)
            for words in (world.verify, *readers):
                assert call(words)[0] == 5, words
            world.restore()


def test_a_repaired_snapshot_is_the_one_before(worlds: Worlds, call: Any) -> None:
    """Under the number of the damaged one; the units of the later are taken over, not made again."""
    world = worlds["imported"]
    newest = newest_snapshot(world)
    (world.root / newest).write_bytes(b"{}")
    code, report = call((*world.verify, "--repair"))
    assert (code, report["snapshot"], report["repaired"]) == (4, 1, True)
    assert newest_snapshot(world) == newest
    assert call(world.verify)[1]["videos"] == 1
    code, summary = call(world.make)
    assert (code, summary["units_to_do"], summary["units_done_before"]) == (0, 0, 2)
    world.restore()


def test_a_lost_list_is_what_older_snapshots_say(worlds: Worlds, call: Any) -> None:
    """Its other videos are published again by the next run, which finds their units; the snapshot it was in is gone."""
    world = worlds["imported"]
    newest = json.loads((world.root / newest_snapshot(world)).read_text())
    (lost,) = newest["lists"]
    (world.root / lost["key"]).write_bytes(b"PAR1")
    code, report = call((*world.verify, "--repair"))
    assert (code, report["damaged_keys"]) == (4, [lost["key"]])
    code, report = call(world.verify)
    assert (code, report["snapshot"], report["videos"], report["unpublished"]) == (0, 3, 1, 1)
    assert not (world.root / "snapshots/00000002.json").exists()
    code, summary = call(world.make)
    assert (code, summary["units_to_do"], summary["units_done_before"]) == (0, 0, 2)
    assert call(world.verify)[1]["videos"] == 2
    world.restore()


def test_a_lost_table_of_an_earlier_version_is_made_again_from_what_is_there(worlds: Worlds, call: Any) -> None:
    """Rows of older tables as they were; of other videos what their objects say; scoring goes on in the meantime."""
    world = worlds["imported"]
    store = open_store(str(world.root))
    tables = [downgrade(store, read_snapshot(store, key)) for key in snapshot_keys(store)]
    assert call(world.verify)[0] == 0
    (world.root / tables[-1]).write_bytes(b"PAR1")
    assert call((*world.verify, "--repair"))[0] == 4
    code, report = call(world.verify)
    assert (code, report["videos"], report["videos_complete"], report["faults"]) == (3, 2, 1, [])
    assert [line.split(":")[:2] for line in report["unaccounted"]] == [["b", " partial, 3 of 3 clips"]]
    assert call(world.make)[0] == 0
    assert call(world.verify)[0] == 0
    world.restore()


def test_verify_counts_what_is_there(worlds: Worlds, call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing objects are not present, not damaged, not removed; their clips and videos are not counted."""
    world = worlds["imported"]
    units = sorted(key for key in world.keys if key.startswith("units/"))
    (world.root / units[0]).unlink()
    code, report = call((*world.verify, "--quick"))
    assert (code, report["objects"], report["whole_objects"], report["videos_complete"]) == (5, 2, 1, 1)
    assert (report["missing_keys"], report["damaged_keys"]) == ([units[0]], [])
    assert report["clips"] < report["expected_clips"] == 7
    words = [word for word in world.verify if word != "--json"]
    assert main([*words, "--quick"]) == 5
    assert "1 of 2 objects present with the right size (not read)" in capsys.readouterr().out
    assert main([*words, "--repair"]) == 4
    out = capsys.readouterr().out
    assert "1 missing objects are no longer expected" in out
    assert "removed" not in out
    world.restore()


def test_a_replaced_video_counts_once(worlds: Worlds, call: Any, tmp_path: Path) -> None:
    """Listed with other content than the snapshot has: one video, not complete."""
    world = worlds["extracted"]
    videos = Path(world.make[world.make.index("--videos") + 1])
    shutil.copytree(videos, tmp_path / "in")
    (tmp_path / "in" / "a.mp4").write_bytes((videos / "b.mp4").read_bytes())
    code, report = call((*world.verify, "--videos", str(tmp_path / "in")))
    assert (code, report["videos"], report["incomplete"], report["videos_complete"]) == (4, 3, 1, 1)
    assert [line.split(":")[0] for line in report["unaccounted"]] == ["broken.mp4", "a.mp4"]
