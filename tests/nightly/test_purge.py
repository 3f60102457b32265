"""Purge: no object contains data of the video, everything else is unchanged, and later nights skip the video."""

from __future__ import annotations

import functools
import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.extraction.harness import run_here
from tests.nightly.footage import CAMERAS, bright_is_anomalous, write_scene
from tests.nightly.reader import digests, look, shown
from tests.scoring.factories import write_checkpoint
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.nightly import job, purging
from wsvad.nightly.published import require_current
from wsvad.nightly.purging import PurgeSummary
from wsvad.storage import open_store

YARD = "yard/20260301_123456.mp4"


@pytest.fixture
def purge(capsys, tmp_path):
    """Run ``wsvad purge`` on the root."""
    return functools.partial(run_here, capsys, "purge", "--root", str(tmp_path / "root"), "--json")


@pytest.fixture
def nights(night, archive, tmp_path):
    """Two nights with two models, so that old snapshots, lists, pointers and run records exist."""
    write_scene(archive / YARD, 20, (2, 6))
    (archive / "yard" / "20260301_130000.mp4").write_text("not a video")
    assert night()[0] == 3
    for hour in range(14, 24):
        write_scene(archive / "front" / f"20260301_{hour}0000.mp4", 3)
    other = write_checkpoint(tmp_path / "other", bright_is_anomalous(0.2))
    assert night("--candidate", other)[0] == 3
    return night


def everything(root: Path) -> dict[str, str]:
    """Return all objects below a root as text: names, JSON, and every value and metadata entry of Parquet tables."""
    found = {}
    for path in root.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        text = data.decode("latin-1")
        if path.suffix == ".parquet":
            table = pq.read_table(io.BytesIO(data))
            text += repr(table.to_pylist()) + repr(table.schema.metadata)
        found[str(path.relative_to(root))] = text
    return found


def mentions(root: Path, video_id: str, *content_ids: str) -> list[str]:
    """Return the objects that contain the id of a video, its name, or the id of its content."""
    words = (video_id, json.dumps(video_id)[1:-1], video_id.rpartition("/")[2], *content_ids)
    return [name for name, text in everything(root).items() if any(word in name + text for word in words)]


def content_id(root: Path, video_id: str) -> str:
    """Return the content id of a video in the features data set."""
    (features,) = (root / "features").iterdir()
    (row,) = [r for r in latest_snapshot(open_store(str(features))).videos if r["video_id"] == video_id]
    return row["content_id"]


def test_purged_video_leaves_no_data(nights, purge, tmp_path):
    """Its features, scores, events and mentions are gone; all others are unchanged; later nights skip it."""
    root = tmp_path / "root"
    before, content = shown(root), content_id(root, YARD)
    assert mentions(root, YARD, content)

    state = digests(root)
    code, plan = purge("--video", YARD)
    assert (code, plan["videos"], plan["applied"], plan["objects"]) == (0, 1, False, 0)
    assert digests(root) == state

    code, summary = purge("--video", YARD, "--apply")
    assert (code, summary["videos"], summary["cameras"]) == (0, 1, {"yard": 1})
    assert summary["objects"] > 0
    assert mentions(root, YARD, content) == []
    after = shown(root)
    assert after["scores"] == {name: value for name, value in before["scores"].items() if name != YARD}
    front = {name for name in before["events"] if "front" in name or "door" in name}
    assert {name: after["events"][name] for name in front} == {name: before["events"][name] for name in front}
    assert look(open_store(str(root))).number == 3

    code, again = nights("--tolerate-quarantine")
    assert (code, again["purged"], again["clips_now"]) == (0, 1, 0)
    assert mentions(root, YARD, content) == []
    assert shown(root) == after
    code, again = nights("--tolerate-quarantine")
    assert (again["nothing_to_do"], again["purged"]) == (True, 1)
    state = digests(root)
    code, again = purge("--video", YARD, "--apply")
    assert (code, again["videos"], again["objects"]) == (0, 0, 0), "whoever did not see the end may repeat it"
    assert digests(root) == state


def test_killed_purge_is_finished(nights, purge, tmp_path, monkeypatch):
    """After a kill at each step, the same command finishes the purge, and so does another purge."""
    root = tmp_path / "root"
    content = content_id(root, YARD)
    for step in ("unpublish", "make_events", "point", "erase_unpublished", "erase_reviews"):
        with monkeypatch.context() as patched:
            patched.setattr(purging, step, lambda *args, **more: (_ for _ in ()).throw(KeyboardInterrupt))
            assert purge("--video", YARD, "--apply")[0] == 130
        look(open_store(str(root)))
    assert look(open_store(str(root))).number == 3, "an interrupted purge is published once"
    assert purge("--video", "door/20260301_120000.mp4", "--apply", "--force")[0] == 0
    assert mentions(root, YARD, content) == []


def test_changes_without_times_are_removed(night, archive, purge, tmp_path):
    """Changes of the newest night are removed even if the event times of the video are unknown offsets."""
    write_scene(archive / "undated.mp4", 20, (2, 6))
    assert night()[1]["changes"]["new"] == 4
    store = open_store(str(tmp_path / "root"))
    assert mentions(tmp_path / "root", "undated.mp4")
    assert purge("--video", "undated.mp4", "--apply", "--force")[0] == 0
    assert mentions(tmp_path / "root", "undated.mp4") == []
    assert require_current(store).report(store)["changes"] == []


def test_limit_without_force(nights, purge, tmp_path, caplog):
    """More than a tenth of the videos requires --force; a purge of all videos is refused."""
    root = tmp_path / "root"
    state = digests(root)
    code, plan = purge("--camera", "yard")
    assert (code, plan["needs_force"], len(plan["selected"])) == (0, True, 3)
    code, plan = purge("--video", YARD)
    assert (code, plan["needs_force"], plan["selected"]) == (0, False, [YARD])
    assert purge("--camera", "yard", "--apply")[0] == 2
    assert "add --force" in caplog.text
    assert purge("--before", "2030-01-01", "--apply", "--force")[0] == 2
    assert "delete the folder instead" in caplog.text
    assert digests(root) == state
    code, summary = purge("--camera", "yard", "--apply", "--force")
    assert (code, summary["cameras"]) == (0, {"yard": 3})
    assert not mentions(root, "yard/20260301_130000.mp4")


def test_purge_after_changed_events(night, purge, tmp_path):
    """The changes of the newest night contain event times of the purged video."""
    night()
    (found,) = (tmp_path / "root" / "nights").iterdir()
    changes = json.loads(found.read_text())["changes"]
    assert [c["change"] for c in changes] == ["new"] * 3
    assert {(c["before"], c["now"]["clock"]) for c in changes} == {(None, "camera front"), (None, "camera yard")}
    code, summary = purge("--camera", "yard", "--apply", "--force")
    assert (code, summary["videos"]) == (0, 1)
    (found,) = (tmp_path / "root" / "nights").iterdir()
    assert "yard" not in json.dumps(json.loads(found.read_text())["changes"])
    assert night()[1]["purged"] == 1


def test_video_id_that_is_a_suffix_of_another(night, archive, purge, tmp_path):
    """Records of the other video are kept."""
    write_scene(archive / "1.mp4", 3)
    (archive / "11.mp4").write_text("not a video")
    assert night()[0] == 3
    (features,) = (tmp_path / "root" / "features").iterdir()
    (record,) = (path for path in (features / "quarantine").rglob("*") if path.is_file())
    assert purge("--video", "1.mp4", "--apply", "--force")[0] == 0
    assert record.exists()
    assert purge("--video", "11.mp4", "--apply", "--force")[0] == 0
    assert not record.exists()


def test_one_of_two_videos_after_killed_purge(night, archive, purge, tmp_path, monkeypatch):
    """The rest of an unfinished purge does not count as every video."""
    (archive / "door" / "20260301_120000.mp4").unlink()
    night()
    with monkeypatch.context() as patched:
        patched.setattr(purging, "erase_unpublished", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        assert purge("--camera", "yard", "--apply", "--force")[0] == 130
    code, summary = purge("--video", "yard/20260301_120000.mp4", "--apply", "--force")
    assert (code, summary["videos"], summary["of"]) == (0, 1, 2)
    assert not mentions(tmp_path / "root", "yard/20260301_120000.mp4")


def test_foreign_folders_are_kept(night, purge, tmp_path):
    """A folder of another origin beside the events data sets is not deleted."""
    night()
    theirs = tmp_path / "root" / "events" / "units" / "00" / "theirs.parquet"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"x")
    assert purge("--camera", "door", "--apply", "--force")[0] == 0
    assert theirs.exists()


def test_damaged_record_of_unfinished_purge(night, purge, tmp_path, caplog):
    """Following the advice of the error message solves the problem."""
    night()
    begun = tmp_path / "root" / "purging.json"
    begun.write_bytes(b"")
    assert purge("--camera", "door", "--apply", "--force")[0] == 5
    assert "delete it, then purge the same videos again" in caplog.text
    begun.unlink()
    assert purge("--camera", "door", "--apply", "--force")[0] == 0


def test_table_of_a_purge():
    """It names ten videos, says that --force will be needed, and always which copies remain."""
    ids = tuple(f"yard/{n}.mp4" for n in range(12))
    plan = PurgeSummary("r", 12, 30, {"yard": 12}, 0, 0, 0, applied=False, selected=ids, needs_force=True)
    lines = dict(plan.lines())
    assert lines["named"] == ", ".join(ids[:10]) + " and 2 more"
    assert lines["done"] == "nothing (dry run; to purge: --apply --force: these are more than 10 % of the videos)"
    assert plan.to_dict()["selected"] == ids
    small = dict(replace(plan, needs_force=False).lines())
    assert small["done"] == "nothing (dry run; to purge: --apply)"
    for summary in (plan, replace(plan, applied=True), replace(plan, videos=0, selected=())):
        assert "pages and cases outside of the root" in dict(summary.lines())["copies"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "select what to purge"),
        (("--video", "yard/20260301_120001.mp4"), "did you mean"),
        (("--camera", "yart"), "did you mean"),
        (("--before", "yesterday"), "--before must be a date"),
        (("--retention", "--camera", "yard"), "cannot be combined"),
    ],
)
def test_refused_purges(words, message, night, purge, tmp_path, caplog):
    """A refused purge changes nothing."""
    night()
    state = digests(tmp_path / "root")
    assert purge(*words, "--apply")[0] == 2
    assert message in caplog.text
    assert digests(tmp_path / "root") == state


def test_ages_and_legal_hold(night, archive, purge, tmp_path):
    """Retention per camera in days since the end of a video; cameras under legal hold keep everything."""
    rules = CAMERAS + "retention_days = 30\n[[camera]]\nname = 'door'\nlegal_hold = true\n"
    (tmp_path / "cameras.toml").write_text(rules)
    for n in range(9):
        write_scene(archive / "front" / f"2126030{n + 1}_120000.mp4", 2)
    write_scene(archive / "undated.mp4", 2)
    assert night()[0] == 0
    code, plan = purge("--retention")
    assert (code, plan["videos"], plan["held"]) == (0, 2, 1)
    code, summary = night()
    assert (code, summary["expired"], summary["retention"]) == (0, 2, "asked")
    code, summary = night("--apply-retention")
    assert (code, summary["expired"]) == (3, 0)
    assert "add --force" in summary["retention"], "two of thirteen are above the brake"
    for n in range(9):
        write_scene(archive / "front" / f"2126031{n}_120000.mp4", 1)
    code, summary = night("--apply-retention")
    assert (code, summary["expired"], summary["retention"]) == (0, 2, "applied")
    newest = look(open_store(str(tmp_path / "root")))
    assert summary["pointer"] == f"current/{newest.number:08d}.json"
    code, summary = night("--apply-retention")
    assert (code, summary["purged"], summary["expired"]) == (0, 2, 0)
    drivers = sorted((tmp_path / "root" / "drivers").iterdir())
    assert night("--apply-retention")[1]["nothing_to_do"]
    assert sorted((tmp_path / "root" / "drivers").iterdir()) == drivers, "a night with nothing to do takes no lease"
    code, plan = purge("--before", "2026-03-02")
    assert (code, plan["videos"], plan["held"], plan["timeless"]) == (0, 0, 1, 1)


def test_purge_during_a_night(night, archive, purge, tmp_path, monkeypatch, caplog):
    """A purge during a night is refused and changes nothing; it works after the night."""
    night()
    codes = []
    real = job.make_events

    def meanwhile(*args):
        before = digests(tmp_path / "root")
        codes.append(purge("--camera", "door", "--apply", "--force")[0])
        assert digests(tmp_path / "root") == before
        return real(*args)

    monkeypatch.setattr(job, "make_events", meanwhile)
    write_scene(archive / "yard" / "20260301_130000.mp4", 3)
    assert night()[0] == 0
    assert codes == [5]
    assert "another driver is working" in caplog.text
    assert purge("--camera", "door", "--apply", "--force")[0] == 0


def test_unusual_names(night, archive, purge, tmp_path):
    """Spaces, quotes, percent signs, other alphabets, newlines: a purged video leaves no trace and is skipped later."""
    names = ["it's 東 %41/a b.mp4", 'q"uote/ü.mp4', "line\nend/x.mp4", f"{'n' * 190}.mp4"]
    for name in names:
        write_scene(archive / name, 2)
    assert night()[0] == 0
    (features,) = (tmp_path / "root" / "features").iterdir()
    known = {row["video_id"] for row in latest_snapshot(open_store(str(features))).videos}
    for video_id in sorted(known - {p.relative_to(archive).as_posix() for p in archive.glob("*/2026*.mp4")}):
        content = content_id(tmp_path / "root", video_id)
        assert purge("--video", video_id, "--apply", "--force")[0] == 0
        assert mentions(tmp_path / "root", video_id, content) == []
    assert night()[1]["purged"] == len(names)
