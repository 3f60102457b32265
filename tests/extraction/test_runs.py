"""Consecutive and concurrent runs: published data stays correct."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from tests.extraction.factories import CONFIG, make_video
from tests.extraction.harness import QUICK, published_rows, run_here, stored, visible
from tests.extraction.in_process import InProcess
from tests.extraction.test_damage import unit_of_video
from tests.extraction.videos import write_video
from wsvad.dataset.lists import entry_of
from wsvad.dataset.publish import refuse_clashes
from wsvad.errors import ConflictError, StoreUnavailable
from wsvad.extraction import job
from wsvad.extraction.indexing import IndexResult
from wsvad.extraction.results import Outcome
from wsvad.manifest.listing import Listing
from wsvad.manifest.source import StoredVideo
from wsvad.storage import open_store
from wsvad.work import periodic_publish, ray_runner, rounds
from wsvad.work.quarantine import QuarantineRecord, write_record
from wsvad.work.receipt import Receipt

pytestmark = pytest.mark.usefixtures("in_process")


def test_new_videos_are_added_and_changed_ones_replaced(videos, tmp_path, capsys):
    """Nightly runs: only new videos are extracted, and a replaced file gives new rows under the same id."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    shutil.copy2(videos / "one.mp4", source)
    shutil.copy2(videos / "short.mp4", source / "x.mp4")
    assert run_here(capsys, "extract", "--videos", str(source), "--out", str(out), *QUICK)[1]["units_done_now"] == 2
    first = stored(str(out))
    shutil.copy2(videos / "exact.mkv", source)
    write_video(source / "x.mp4", 9)
    code, summary = run_here(capsys, "extract", "--videos", str(source), "--out", str(out), *QUICK)
    assert (code, summary["units_done_now"], summary["units_done_before"]) == (0, 2, 1)
    assert first.items() <= stored(str(out)).items()
    assert sorted(published_rows(out)) == sorted(
        [("one.mp4", 0, 0)] + [("exact.mkv", c, 0) for c in range(4)] + [("x.mp4", c, 0) for c in range(3)]
    )


def test_another_configuration_is_a_conflict_and_changes_nothing(dataset, capsys):
    """Exit code 5, the difference is named, the data set is unchanged."""
    out, words = dataset
    before = stored(str(out))
    assert run_here(capsys, *words, "--geometry", "center")[0] == 5
    assert stored(str(out)) == before


def test_the_same_id_from_another_folder_is_refused(dataset, tmp_path, capsys):
    """Two cameras with the same file names must not silently replace each other; a prefix distinguishes them."""
    other = tmp_path / "cam2"
    other.mkdir()
    write_video(other / "a.mp4", 3)
    assert run_here(capsys, "extract", "--videos", str(other), "--out", str(dataset[0]), *QUICK)[0] == 5


def test_a_stored_unit_has_precedence_over_a_quarantine_record(dataset, capsys):
    """Of two concurrent runs, one stored the unit, the other quarantined it: it is not quarantined."""
    out, words = dataset
    uid = unit_of_video(out, "a.mp4").stem
    write_record(open_store(str(out)), QuarantineRecord.of(uid, make_video(), (0, 3), "worker_crash", "boom"))
    code, summary = run_here(capsys, *words)
    assert (code, summary["quarantined"], summary["videos_complete"]) == (0, 0, 2)


def test_a_failed_run_keeps_units_of_a_concurrent_run(dataset, capsys, monkeypatch):
    """The run that ends last lost its store. Units stored by the other run stay published."""
    out, words = dataset
    shutil.rmtree(out)

    class OtherRunIsFaster:
        def __init__(self, make_stage, config, payload, pool, *, pack_clips=0, verbose=False):
            monkeypatch.setattr(ray_runner, "RayRunner", InProcess)
            assert run_here(capsys, *words)[0] == 0

        def in_progress(self):
            return {}

        def __call__(self, units, alone):
            return (Receipt(u.unit_id, "failed", kind="StoreUnavailable", message="503") for u in units)

    monkeypatch.setattr(ray_runner, "RayRunner", OtherRunIsFaster)
    monkeypatch.setattr(rounds.time, "sleep", lambda s: None)
    run_here(capsys, *words)
    assert len(published_rows(out)) == 5


def test_concurrent_runs_with_the_same_ids_are_refused(tmp_path, capsys, monkeypatch):
    """The clash is detected even if the other run published after this one had checked."""
    for camera in ("cam1", "cam2"):
        (tmp_path / camera).mkdir()
    write_video(tmp_path / "cam1" / "x.mp4", 9)
    write_video(tmp_path / "cam2" / "x.mp4", 5)
    words = ("--out", str(tmp_path / "out"), *QUICK)
    claim = job.claim_dataset

    def other_run_first(*args):
        monkeypatch.setattr(job, "claim_dataset", claim)
        assert run_here(capsys, "extract", "--videos", str(tmp_path / "cam1"), *words)[0] == 0
        claim(*args)

    monkeypatch.setattr(job, "claim_dataset", other_run_first)
    code, _ = run_here(capsys, "extract", "--videos", str(tmp_path / "cam2"), *words)
    assert code == 5
    assert len(published_rows(tmp_path / "out")) == 3


def test_an_outage_of_the_video_store_keeps_published_features(dataset, capsys, monkeypatch):
    """The index must be rebuilt and the videos cannot be read: the snapshot keeps their stored units."""
    out, words = dataset
    shutil.rmtree(out / "index")

    def away(self, offset, length):
        raise StoreUnavailable("503")

    monkeypatch.setattr(StoredVideo, "read_at", away)
    assert run_here(capsys, *words)[0] == 4
    assert len(published_rows(out)) == 5


def test_runs_without_new_videos_publish_nothing(tmp_path, capsys):
    """Also if another source has other skipped files."""
    for camera in ("cam1", "cam2"):
        (tmp_path / camera).mkdir()
        write_video(tmp_path / camera / "x.mp4", 4)
        (tmp_path / camera / f"{camera}.txt").write_text("no video")

    def extract(camera):
        words = ("--out", str(tmp_path / "out"), "--id-prefix", f"{camera}/", *QUICK)
        return run_here(capsys, "extract", "--videos", str(tmp_path / camera), *words)

    assert extract("cam1")[0] == extract("cam2")[0] == 0
    newest = len(list(tmp_path.glob("out/snapshots/*")))
    assert extract("cam1")[0] == extract("cam2")[0] == 0
    assert len(list(tmp_path.glob("out/snapshots/*"))) == newest


def test_results_below_the_videos_are_not_listed(finished, tmp_path, capsys):
    """``--out`` below ``--videos``: a second run still finds nothing new and writes nothing."""
    shutil.copytree(finished[0], tmp_path / "in")
    words = ("extract", "--videos", str(tmp_path / "in"), "--out", str(tmp_path / "in" / "features"), *QUICK)
    assert run_here(capsys, *words)[1]["skipped"] == 0
    before = sorted(visible(tmp_path))
    code, summary = run_here(capsys, *words)
    assert (code, summary["skipped"]) == (0, 0)
    assert sorted(visible(tmp_path)) == before


def test_replaced_content_of_a_key_with_a_narrow_space_is_no_clash(tmp_path):
    """macOS uses U+202F in names of recordings; the same S3 object with new content is the same video."""
    uri = "s3://archive/Recording 10.12.44\u202fPM.mp4"
    videos = [replace(make_video("x.mp4", v), uri=uri) for v in "12"]
    old, new = (Outcome(Listing((v,)), [IndexResult(v)], [], CONFIG).video_rows() for v in videos)
    store = open_store(str(tmp_path))
    there = {"x.mp4": entry_of(old[0])}
    refuse_clashes(store, there, new)
    with pytest.raises(ConflictError, match="another video with the same id"):
        refuse_clashes(store, there, [{**new[0], "uri": "s3://archive/other.mp4"}])


def test_known_evidence_is_not_written_again(tmp_path, capsys, monkeypatch):
    """Ten thousand bad files must not cause ten thousand writes per night."""
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "a.mp4", 4)
    (tmp_path / "in" / "text.mp4").write_text("no video")
    words = ("extract", "--videos", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *QUICK)
    assert run_here(capsys, *words)[0] == 3
    written: list[str] = []
    monkeypatch.setattr(job, "write_record", lambda store, record: written.append(record.unit_id))
    assert run_here(capsys, *words)[0] == 3
    assert written == []


def test_long_run_publishes_while_it_runs(finished, tmp_path, capsys, monkeypatch):
    """A run killed after its first unit has published it; the missing units are reported."""
    monkeypatch.setattr(periodic_publish, "FIRST_AFTER_S", 0.0)
    monkeypatch.setattr(periodic_publish, "TIME_FRACTION", 0.0)
    out = tmp_path / "out"

    class Killed(Exception):
        pass

    class StopsAfterOne(InProcess):
        def __call__(self, units, alone):
            yield next(super().__call__(units, alone))
            raise Killed

    monkeypatch.setattr(ray_runner, "RayRunner", StopsAfterOne)
    words = ("extract", "--videos", str(finished[0]), "--out", str(out), *QUICK)
    with pytest.raises(Killed):
        run_here(capsys, *words)
    assert [video for video, _, _ in published_rows(out)] == ["a.mp4"] * 3
    code, report = run_here(capsys, "verify", "--out", str(out), "--json")
    assert (code, report["faults"], report["unaccounted"]) == (4, [], ["b.mp4: incomplete, 0 of 2 clips"])
    monkeypatch.setattr(ray_runner, "RayRunner", InProcess)
    code, summary = run_here(capsys, *words)
    assert (code, summary["units_done_before"], summary["videos_complete"]) == (0, 1, 2)


def test_rows_of_a_changed_video_stay_while_its_new_units_fail(dataset, tmp_path, capsys, monkeypatch):
    """The store rejects units: readers keep the old rows, and the data set reports it; the next run replaces them."""
    out, words = dataset
    shutil.copytree(words[2], tmp_path / "in")
    words = ("extract", "--videos", str(tmp_path / "in"), *words[3:])
    assert run_here(capsys, *words)[0] == 0
    write_video(tmp_path / "in" / "a.mp4", 21)

    class Fails(InProcess):
        def __call__(self, units, alone):
            return (Receipt(u.unit_id, "failed", kind="StoreUnavailable", message="503") for u in units)

    monkeypatch.setattr(ray_runner, "RayRunner", Fails)
    monkeypatch.setattr(rounds.time, "sleep", lambda s: None)
    assert run_here(capsys, *words)[0] == 4
    assert len(published_rows(out)) == 5
    report = run_here(capsys, "verify", "--out", str(out), "--json")[1]
    assert report["unaccounted"][0].startswith("a.mp4: incomplete, 3 of 3 clips: changed: the video has changed;")
    monkeypatch.setattr(ray_runner, "RayRunner", InProcess)
    assert run_here(capsys, *words)[0] == 0
    assert len(published_rows(out)) == 6 + 2
