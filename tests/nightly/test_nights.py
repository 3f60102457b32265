"""Consecutive nights: the results of each, that each is complete, and that a repeated run has nothing to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.extraction.harness import run_here
from tests.nightly.footage import bright_is_anomalous, write_scene
from tests.nightly.reader import digests, shown, units
from tests.scoring.factories import write_checkpoint
from wsvad.nightly.published import current, require_current
from wsvad.storage import open_store


def events(root: Path) -> list[tuple[str, str, float]]:
    """Return camera, start and length of every published event."""
    store = open_store(str(root))
    rows = [r for rows in units(store, require_current(store).shown.events).values() for r in rows]
    return sorted(
        (r["camera"], f"{r['start_utc']:%d %H:%M:%S}", (r["end_utc"] - r["start_utc"]).total_seconds())
        for r in rows
        if r["kind"] == "event"
    )


def test_five_nights(night, archive, tmp_path, capsys):
    """New footage, an event over midnight, a changed, a deleted, a damaged and a late file, a new model."""
    root = tmp_path / "root"

    code, first = night()
    assert (code, first["published"], first["listed"], first["scored"]) == (0, True, 3, 3)
    assert first["changes"] == {"new": 3, "kept": 0}
    assert events(root) == [("front", "01 23:59:35", 3), ("front", "01 23:59:56", 4), ("yard", "01 12:00:02", 4)]

    def again(expected: int, codes: int = 0) -> None:
        before = digests(root)
        code, summary = night()
        assert (code, summary["nothing_to_do"], summary["published"]) == (codes, True, False)
        assert (summary["events"], summary["clips_now"]) == (expected, 0)
        assert digests(root) == before

    again(3)

    # footage that starts at midnight continues an earlier event
    write_scene(archive / "front" / "20260302_000000.mp4", 30, (0, 3), (10, 12))
    code, second = night()
    assert (code, second["clips_now"], second["scored_now"]) == (0, 30, 30)
    assert second["changes"] == {"moved": 1, "new": 1, "kept": 2}
    assert ("front", "01 23:59:56", 7) in events(root)
    again(4)

    # one file changed, one is gone, one is not a video
    write_scene(archive / "yard" / "20260301_120000.mp4", 20, (12, 16))
    (archive / "door" / "20260301_120000.mp4").unlink()
    (archive / "front" / "20260302_000030.mp4").write_text("not a video")
    code, third = night()
    assert (code, third["failed"], third["gone"], third["listed"]) == (3, 1, 1, 4)
    assert third["changes"] == {"gone": 1, "new": 1, "kept": 3}
    (problem,) = third["problems"]
    assert (problem["video_id"], problem["outcome"]) == ("front/20260302_000030.mp4", "failed")
    assert (third["unknown_length"], third["missing_s"]) == (1, 0), "the length of a file that is no video is unknown"
    again(4, codes=3)
    code, tolerated = night("--tolerate-quarantine")
    assert (code, tolerated["failed"]) == (0, 1)

    # a file that arrives a month late
    write_scene(archive / "front" / "20260130_080000.mp4", 10, (4, 9))
    code, fourth = night("--tolerate-quarantine")
    assert (code, fourth["changes"]) == (0, {"new": 1, "kept": 4})
    assert ("front", "30 08:00:04", 5) in events(root)

    # a model that detects nothing is scored from existing features beside the champion, then promoted, then reverted
    blind = write_checkpoint(tmp_path / "blind", bright_is_anomalous(-5.0))
    code, fifth = night("--candidate", blind, "--tolerate-quarantine")
    assert (code, fifth["models"], fifth["events"], fifth["clips_now"]) == (0, 2, 5, 0)
    assert fifth["scored_now"] == 100
    seen = events(root)
    digest = bright_is_anomalous(-5.0).digest
    code, promoted = run_here(capsys, "promote", "--root", str(root), "--model", digest[:19], "--json")
    assert (code, promoted["champion"]) == (0, digest)
    assert events(root) == []
    code, back = run_here(capsys, "promote", "--root", str(root), "--back", "--json")
    assert (code, back["champion"], back["before"]) == (0, first["champion"], digest)
    assert events(root) == seen
    code, summary = night("--tolerate-quarantine")
    assert (summary["nothing_to_do"], summary["models"]) == (True, 2)

    # equal to a single night on the current archive, except for videos that are gone
    undisturbed = tmp_path / "undisturbed"
    code, _ = night("--root", str(undisturbed), "--tolerate-quarantine")
    assert code == 0
    one, other = shown(root), shown(undisturbed)
    for part in ("scores", "events", "rows"):
        assert {name: value for name, value in one[part].items() if "door" not in name} == other[part]


def test_dry_run_writes_nothing(night, archive, tmp_path):
    """A dry run reports the pending work, before the first night and after it."""
    code, plan = night("--dry-run")
    assert (code, plan["waiting"], plan["scored"], plan["dry_run"]) == (0, 3, 0, True)
    assert not (tmp_path / "root").exists()
    night()
    write_scene(archive / "yard" / "20260301_130000.mp4", 5)
    before = digests(tmp_path / "root")
    code, plan = night("--dry-run")
    assert (code, plan["waiting"], plan["scored"]) == (0, 1, 3)
    assert digests(tmp_path / "root") == before


def test_missing_archive_changes_nothing(night, archive, tmp_path, caplog):
    """An empty or missing folder is not taken for an archive whose videos were all deleted."""
    night()
    before = digests(tmp_path / "root")
    hidden = archive.rename(tmp_path / "hidden")
    assert night()[0] == 2
    archive.mkdir()
    assert night()[0] == 2
    assert "no video found" in caplog.text
    assert digests(tmp_path / "root") == before
    archive.rmdir()
    hidden.rename(archive)
    assert night()[1]["nothing_to_do"]


def test_checkpoint_does_not_replace_the_champion(night, tmp_path, caplog):
    """In later nights, --checkpoint must be the champion or be left out."""
    night()
    other = write_checkpoint(tmp_path / "other", bright_is_anomalous(0.5))
    assert night("--checkpoint", other)[0] == 5
    assert "wsvad promote" in caplog.text
    store = open_store(str(tmp_path / "root"))
    found = current(store)
    assert found is not None
    assert (found.number, found.champion) == (1, bright_is_anomalous().digest)


def test_without_cameras_file(night, archive, tmp_path, capsys, model):
    """Without a cameras file every folder is a camera, and times are offsets."""
    words = ("--archive", str(archive), "--root", str(tmp_path / "root"), "--checkpoint", model, "--json", "--no-ray")
    code, summary = run_here(capsys, "rescore", *words)
    assert (code, summary["cameras"]) == (0, 3)
    rows = [row for rows in shown(tmp_path / "root")["rows"].values() for row in rows]
    assert {r["camera"] for r in rows} == {"front", "yard", "door"}
    assert all(r["start_utc"] is None for r in rows)


def test_exported_metrics(night, archive, tmp_path, capsys):
    """A successful night exports its time; a failed one keeps that time and exports its exit code."""
    from prometheus_client.parser import text_string_to_metric_families

    def exported() -> dict[str, float]:
        families = text_string_to_metric_families((tmp_path / "wsvad.prom").read_text())
        return {s.name + json.dumps(s.labels): s.value for family in families for s in family.samples}

    textfile = ("--textfile", str(tmp_path / "wsvad.prom"))
    assert night(*textfile)[0] == 0
    good = exported()
    assert good['wsvad_rescore_videos{"state": "scored"}'] == 3
    assert good["wsvad_rescore_exit_code{}"] == 0
    (archive / "front" / "20260302_000030.mp4").write_text("not a video")
    assert night(*textfile)[0] == 3
    bad = exported()
    success = "wsvad_rescore_last_success_timestamp_seconds{}"
    assert (bad["wsvad_rescore_exit_code{}"], bad[success]) == (3, good[success])
    assert bad['wsvad_rescore_videos{"state": "failed"}'] == 1
    archive.rename(tmp_path / "hidden")
    assert night(*textfile)[0] == 2
    assert (exported()["wsvad_rescore_exit_code{}"], exported()[success]) == (2, good[success])


def test_thresholds_of_a_model(night, tmp_path, capsys):
    """A calibrated thresholds file applies to the champion it names; a file of another model does not."""
    night()
    root = tmp_path / "root"
    (scores,) = (root / "scores").iterdir()
    words = ("--scores", str(scores), "--cameras", str(tmp_path / "cameras.toml"), "--smooth", "0", "--gap", "1")
    file = str(tmp_path / "thresholds.json")
    assert run_here(capsys, "events", *words, "--calibrate", file, "--json")[0] == 0
    code, summary = night("--thresholds", file)
    assert (code, summary["published"], summary["events"]) == (0, True, 0), "all footage was taken to be normal"
    assert night("--thresholds", file)[1]["nothing_to_do"]
    other = write_checkpoint(tmp_path / "other", bright_is_anomalous(0.2))
    code, summary = night("--thresholds", file, "--candidate", other)
    assert (code, summary["models"]) == (0, 2)
    digest = bright_is_anomalous(0.2).digest
    assert run_here(capsys, "promote", "--root", str(root), "--model", digest, "--json")[0] == 0
    assert len(events(root)) == 3
    assert night("--thresholds", file, "--thresholds", file)[0] == 2


def test_nothing_could_be_read(night, archive, tmp_path, monkeypatch, caplog):
    """A failing store is not taken for damaged footage: exit code 4, then a retry. Damaged footage alone: 3."""
    from wsvad.extraction import indexing

    with monkeypatch.context() as patched:
        patched.setattr(
            indexing, "index_video", lambda reader, video, options: indexing.IndexResult(video, message="planted")
        )
        assert night()[0] == 4
    assert "run again" in caplog.text
    for path in archive.rglob("*.mp4"):
        path.write_text("not a video")
    caplog.clear()
    assert night()[0] == 3
    assert "no clip of the archive" in caplog.text
    assert current(open_store(str(tmp_path / "root"))) is None


@pytest.mark.parametrize("place", ["dataset.json", "training.json", "events/dataset.json", "features/dataset.json"])
def test_root_of_another_kind(place, night, tmp_path, caplog):
    """A root that contains a data set or a training run is refused."""
    there = tmp_path / "root" / place
    there.parent.mkdir(parents=True)
    there.write_text("{}")
    before = digests(tmp_path / "root")
    assert night()[0] == 5
    assert "Use an empty folder" in caplog.text
    assert digests(tmp_path / "root") == before


def test_skipped_file_affects_exit_code(night, archive):
    """A hidden file with a video's name affects the exit code, in a night with nothing else new and later."""
    assert night()[0] == 0
    (archive / "yard" / ".hidden.mp4").write_text("x")
    assert night()[0] == 3
    code, summary = night()
    assert (code, summary["nothing_to_do"]) == (3, True)
