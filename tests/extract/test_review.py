"""What other runs, other programs and damaged disks leave behind: no data lost, no traceback, no false evidence."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray

from tests.extract.factories import CONFIG, make_index, make_video
from tests.extract.harness import QUICK, published_rows, run_here, visible
from tests.extract.videos import write_video
from wsvad.backbones import extractor
from wsvad.backbones.weights import random_weights
from wsvad.cli import main
from wsvad.clips import ClipSpec
from wsvad.cluster import Node, Pool, PoolOptions, connected, fit, living_nodes
from wsvad.dataset import layout
from wsvad.dataset.snapshots import refuse_clashes
from wsvad.errors import ConflictError, StoreUnavailable, UsageError
from wsvad.extract import job
from wsvad.extract.indexing import IndexCache, Indexed
from wsvad.extract.quarantine import QuarantineRecord, write_record
from wsvad.extract.results import Outcome
from wsvad.extract.source import StoredVideo
from wsvad.extract.table import decode_unit
from wsvad.extract.units import clips_per_unit, plan_units
from wsvad.extract.worker import UnitExtractor, WorkerConfig
from wsvad.manifest.listing import Listing, list_videos
from wsvad.manifest.table import read_manifest
from wsvad.storage import open_store
from wsvad.video import VideoReader
from wsvad.work import rounds
from wsvad.work.receipt import Receipt
from wsvad.work.rounds import run_rounds
from wsvad.work.run import UnitRunner

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A small finished data set with its videos: ``(videos, out)``."""
    root = tmp_path_factory.mktemp("finished")
    (root / "in").mkdir()
    write_video(root / "in" / "a.mp4", 9)
    write_video(root / "in" / "b.mp4", 6)
    assert main(["extract", "--videos", str(root / "in"), "--out", str(root / "out"), *QUICK]) == 0
    return root / "in", root / "out"


@pytest.fixture
def dataset(finished, tmp_path):
    """A copy of the data set that a test may spoil, with the words that extract it again."""
    videos, out = finished
    shutil.copytree(out, tmp_path / "out")
    return tmp_path / "out", ("extract", "--videos", str(videos), "--out", str(tmp_path / "out"), *QUICK)


def forget_snapshots(out: Path) -> None:
    """Leave what a run leaves that was killed just before it published."""
    for folder in ("snapshots", "videos", "runs"):
        shutil.rmtree(out / folder)


def flip(path: Path, place: float) -> None:
    """Flip the bits of 16 bytes at a fraction of a file's length, or at a number of bytes from its end."""
    data = bytearray(path.read_bytes())
    start = int(place * len(data)) if 0 < place < 1 else len(data) + int(place)
    data[start : start + 16] = bytes(b ^ 0xFF for b in data[start : start + 16])
    path.write_bytes(data)


def of_video(out: Path, video_id: str) -> Path:
    """The one unit of a video."""
    for path in out.glob("units/*/*.parquet"):
        if json.loads(pq.read_schema(path).metadata[b"wsvad.unit"])["video_id"] == video_id:
            return path
    raise AssertionError(video_id)


# -- damaged files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["truncated", "empty", "footer"])
def test_damaged_unit_of_an_interrupted_run_can_be_repaired(dataset, capsys, damage):
    """No snapshot names it. Extract makes it again by itself, or verify --repair removes it."""
    out, words = dataset
    forget_snapshots(out)
    path = of_video(out, "a.mp4")
    if damage == "footer":
        flip(path, -60)
    else:
        os.truncate(path, 0 if damage == "empty" else path.stat().st_size - 5)
    run_here(capsys, *words)
    run_here(capsys, "verify", "--out", str(out), "--json", "--repair")
    code, summary = run_here(capsys, *words)
    assert (code, summary.get("videos_complete")) == (0, 2)


def test_damaged_cuboids_of_an_interrupted_run_are_not_published(dataset, capsys):
    """A unit is taken over from a killed run only where all its columns can be trusted."""
    out, words = dataset
    good = pq.read_table(of_video(out, "a.mp4"))
    forget_snapshots(out)
    flip(of_video(out, "a.mp4"), 0.6)
    if run_here(capsys, *words)[0] == 0:
        assert pq.read_table(of_video(out, "a.mp4")).equals(good)


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("dataset.json", b"[1]"),
        ("dataset.json", b'{"features": null}'),
        ("index/*/*.parquet", b"PAR1 no more"),
        ("index/*/*.parquet", b""),
        ("videos/*.parquet", b"PAR1 no more"),
        ("snapshots/*.json", b"{}"),
    ],
)
@pytest.mark.parametrize("verb", ["extract", "verify"])
def test_unreadable_book_is_an_error_of_ours_not_a_traceback(dataset, capsys, caplog, verb, what, content):
    """Exit code 0, 4 or 5, never an exception that reaches the user."""
    out, words = dataset
    next(out.glob(what)).write_bytes(content)
    if verb == "verify":
        words = ("verify", "--out", str(out), "--json")
    assert run_here(capsys, *words)[0] in (0, 4, 5)


@pytest.mark.parametrize("content", [b"", b"{", b'{"unit_id": "x", "of_a_later_version": 1}', b"[]"])
def test_unreadable_quarantine_record_is_an_error_of_ours_not_a_traceback(dataset, capsys, content):
    """A record that cannot be read still sets its unit aside, or stops the run with a message."""
    out, words = dataset
    path = of_video(out, "a.mp4")
    record = out / layout.quarantine_key(path.stem)
    record.parent.mkdir(parents=True)
    record.write_bytes(content)
    path.unlink()
    assert run_here(capsys, *words)[0] in (3, 4)


def test_index_that_another_run_compacts_meanwhile_is_no_failure(dataset):
    """Objects below index/ that vanish between the listing and the read are gaps, and gaps are harmless."""
    out, _ = dataset
    cache = IndexCache(open_store(str(out)))
    for path in out.glob("index/*/*.parquet"):
        path.unlink()
    assert cache.load([]) == {}


# -- other runs ------------------------------------------------------------------------------------------------------


def test_stored_unit_counts_more_than_a_quarantine_record(dataset, capsys):
    """Two runs at once, one stored the unit, the other set it aside: it is there, so it is not quarantined."""
    out, words = dataset
    uid = of_video(out, "a.mp4").stem
    write_record(open_store(str(out)), QuarantineRecord.of(uid, make_video(), (0, 3), "worker_crash", "boom"))
    code, summary = run_here(capsys, *words)
    assert (code, summary["quarantined"], summary["videos_complete"]) == (0, 0, 2)


def test_run_that_failed_does_not_take_back_what_another_run_finished(dataset, capsys, monkeypatch):
    """Two runs at once; the one that ends last lost a store. What the other stored meanwhile stays published."""
    out, words = dataset
    shutil.rmtree(out)

    class OtherRunIsFaster:
        def __init__(self, make_stage, config, weights, pool, *, verbose=False):
            monkeypatch.setattr(job, "UnitRunner", UnitRunner)
            assert run_here(capsys, *words)[0] == 0

        def in_progress(self):
            return {}

        def __call__(self, units, alone):
            return (Receipt(u.unit_id, "failed", kind="StoreUnavailable", message="503") for u in units)

    monkeypatch.setattr(job, "UnitRunner", OtherRunIsFaster)
    monkeypatch.setattr(rounds.time, "sleep", lambda s: None)
    run_here(capsys, *words)
    assert len(published_rows(out)) == 5


def test_two_runs_at_once_with_the_same_ids_do_not_replace_each_other(tmp_path, capsys, monkeypatch):
    """The clash is found although the other run published after this one had looked."""
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


def test_store_that_is_away_does_not_unpublish_features(dataset, capsys, monkeypatch):
    """The index has to be made again and the videos cannot be read: the snapshot keeps what is stored for them."""
    out, words = dataset
    shutil.rmtree(out / "index")

    def away(self, offset, length):
        raise StoreUnavailable("503")

    monkeypatch.setattr(StoredVideo, "read_at", away)
    assert run_here(capsys, *words)[0] == 4
    assert len(published_rows(out)) == 5


def test_two_sources_in_one_data_set_do_not_publish_in_turns(tmp_path, capsys):
    """A run that finds nothing new publishes nothing, also where another source has other files skipped."""
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


def test_results_among_the_videos_are_not_listed(finished, tmp_path, capsys):
    """``--out`` below ``--videos``: a second run still finds nothing new and writes nothing."""
    shutil.copytree(finished[0], tmp_path / "in")
    words = ("extract", "--videos", str(tmp_path / "in"), "--out", str(tmp_path / "in" / "features"), *QUICK)
    assert run_here(capsys, *words)[1]["skipped"] == 0
    before = sorted(visible(tmp_path))
    code, summary = run_here(capsys, *words)
    assert (code, summary["skipped"]) == (0, 0)
    assert sorted(visible(tmp_path)) == before


def test_replaced_content_of_a_key_with_a_narrow_space_is_no_clash(tmp_path):
    """macOS puts U+202F into names of recordings; the same S3 object with new content is the same video."""
    uri = "s3://archive/Recording 10.12.44\u202fPM.mp4"
    videos = [replace(make_video("x.mp4", v), uri=uri) for v in "12"]
    old, new = (Outcome(Listing((v,)), [Indexed(v)], [], CONFIG).video_rows() for v in videos)
    store = open_store(str(tmp_path))
    refuse_clashes(store, old, new)
    with pytest.raises(ConflictError, match="another video of the same id"):
        refuse_clashes(store, old, [{**new[0], "uri": "s3://archive/other.mp4"}])


# -- false evidence --------------------------------------------------------------------------------------------------


def test_lost_books_of_a_run_are_not_evidence_against_videos(tmp_path):
    """The actor that counts tries dies (a full head node): units fail or are done, none is quarantined."""
    units = plan_units(make_video(), make_index(), CONFIG)
    runner = UnitRunner(UnitExtractor, WorkerConfig(CONFIG, str(tmp_path)), random_weights(0), Pool(1, 1.0, 0.0, 0, 2))
    ray.kill(runner._board)
    got: list[str] = []
    try:
        run_rounds(units, runner, lambda u, r: got.append(r.status), living_nodes=living_nodes, pause_s=0)
    except Exception as error:
        got.append(type(error).__name__)
    assert "quarantined" not in got


# -- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("--decoder-stall-s", "nan"),
        ("--decoder-stall-s", "inf"),
        ("--decoder-memory", "infGiB"),
        ("--memory-per-worker", "infGiB"),
        ("--memory-per-worker", "-1"),
        ("--cpus-per-worker", "nan"),
        ("--cpus-per-worker", "0.00001"),
        ("--gpus-per-worker", "nan"),
        ("--unit-s", "nan"),
        ("--clip-length", "99999999999"),
        ("--clip-stride", "99999999999999999999"),
        ("--queue-clips", "99999999999"),
        ("--out", ""),
        ("--videos", ""),
        ("--weights", ""),
        ("--s3-endpoint-url", "x"),
        ("--weights", "random:-1"),
    ],
)
def test_impossible_number_is_a_usage_error(finished, tmp_path, capsys, monkeypatch, words):
    """Exit code 2 before any work, for every option."""
    monkeypatch.setattr(rounds.time, "sleep", lambda s: None)
    try:
        code, _ = run_here(
            capsys, "extract", "--videos", str(finished[0]), "--out", str(tmp_path / "out"), *QUICK, *words
        )
    except SystemExit as error:
        code = error.code
    assert code == 2


def test_gpu_fraction_above_one_is_a_usage_error():
    """Ray takes fractions of one GPU, or whole GPUs."""
    with pytest.raises(UsageError):
        fit(PoolOptions(gpus_per_worker=1.5), [Node(16, 4, 1 << 36)])


def test_refused_run_leaves_the_target_free_for_other_options(finished, tmp_path, capsys):
    """Exit code 2 means that nothing was done: the next try may well have other clips."""
    words = ("extract", "--videos", str(finished[0]), "--out", str(tmp_path / "out"), *QUICK)
    assert run_here(capsys, *words, "--workers", "99")[0] == 2
    assert run_here(capsys, *words, "--clip-length", "8", "--dry-run")[0] == 0


def test_cluster_that_is_too_small_is_found_before_the_index_is_made(finished, tmp_path, capsys):
    """Indexing a large archive takes hours; what the options ask of the cluster can be checked in a second."""
    words = ("extract", "--videos", str(finished[0]), "--out", str(tmp_path / "out"), *QUICK)
    assert run_here(capsys, *words, "--workers", "99")[0] == 2
    assert not list(tmp_path.glob("out/index/*/*"))


def test_false_for_an_option_with_a_value_is_refused(finished, tmp_path, capsys):
    """``weights = false`` in an option file must not silently mean the untrained default."""
    (tmp_path / "c.toml").write_text("weights = false\n")
    words = ("--videos", str(finished[0]), "--out", str(tmp_path / "out"), "--config", str(tmp_path / "c.toml"))
    assert run_here(capsys, "extract", *words, *QUICK, "--dry-run")[0] == 2


# -- manifests -------------------------------------------------------------------------------------------------------


def test_other_columns_of_a_manifest_may_hold_anything():
    """Columns that extraction does not read must not decide whether a large manifest can be read."""
    lines = ["uri,note", *(f"videos/camera/{i}.mp4,{i}" for i in range(60000)), "last.mp4,text at last"]
    assert len(read_manifest("\n".join(lines).encode(), name="m.csv")) == 60001


@pytest.mark.parametrize("uri", ["ftp://host/x.mp4", "videos/", "s3://b/a//x.mp4"])
def test_manifest_with_an_impossible_uri_names_the_row(tmp_path, capsys, uri):
    """One wrong line in a million is found by its number."""
    (tmp_path / "m.csv").write_text(f"uri\na.mp4\n{uri}\n")
    words = ("--videos", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"))
    assert main(["extract", *words, *QUICK]) == 2
    assert "row 2" in capsys.readouterr().err


# -- verify ----------------------------------------------------------------------------------------------------------


def test_verify_counts_listed_videos_that_cannot_be_reached(tmp_path, capsys):
    """``--videos``: a video of the manifest that was never extracted is missing, whatever the reason."""
    write_video(tmp_path / "a.mp4", 4)
    (tmp_path / "m.csv").write_text("uri\na.mp4\ngone.mp4\n")
    words = ("--videos", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"))
    assert run_here(capsys, "extract", *words, *QUICK)[0] == 4
    code, report = run_here(capsys, "verify", *words, "--json")
    assert (code, report["videos_complete"], report["videos"]) == (4, 1, 2)


def test_verify_does_not_promise_to_publish_replaced_content(finished, tmp_path, capsys):
    """Units of content that is no more wait for nobody."""
    shutil.copytree(finished[0], tmp_path / "in")
    words = ("--videos", str(tmp_path / "in"), "--out", str(tmp_path / "out"))
    run_here(capsys, "extract", *words, *QUICK)
    write_video(tmp_path / "in" / "a.mp4", 5)
    run_here(capsys, "extract", *words, *QUICK)
    assert run_here(capsys, "verify", *words, "--json")[1]["unpublished"] == 0


def test_damaged_unit_of_a_removed_video_can_be_settled(dataset, tmp_path, capsys):
    """Its source is gone, so nothing can make it again: after repair and extract the data set verifies once more."""
    out, words = dataset
    videos = tmp_path / "in"
    shutil.copytree(words[2], videos)
    words = ("extract", "--videos", str(videos), *words[3:])
    run_here(capsys, *words)
    (videos / "a.mp4").unlink()
    path = of_video(out, "a.mp4")
    os.truncate(path, path.stat().st_size - 5)
    assert run_here(capsys, "verify", "--out", str(out), "--json", "--repair")[0] == 4
    run_here(capsys, *words)
    code, report = run_here(capsys, "verify", "--out", str(out), "--json", "--repair")
    assert code in (0, 3), report["faults"]


def test_empty_address_is_a_usage_error():
    """An unset shell variable must not silently start a local Ray."""
    with pytest.raises(UsageError, match="empty"), connected(""):
        pass


# -- work ------------------------------------------------------------------------------------------------------------


def test_unit_of_overlapping_clips_is_bounded_too():
    """``Memory is bounded by this: at most about 100 MB of features``, at every stride and rate."""
    row = 2 * (1024 + 49 * 528)
    for stride, fps in ((16, 25.0), (1, 25.0), (16, 240.0)):
        config = replace(CONFIG, clips=ClipSpec(16, stride))
        assert clips_per_unit(make_index(fps=fps), config) * row < 150e6, (stride, fps)


@pytest.mark.parametrize("geometry", ["squash", "ten-crop"])
def test_batches_of_a_gpu_give_each_clip_its_own_features(tmp_path, monkeypatch, geometry):
    """Batches of several clips, the last one not full: the same rows as clip by clip, frames given back in time."""
    write_video(tmp_path / "v.mp4", 27 if geometry == "squash" else 9)
    config = replace(CONFIG, geometry=geometry, clips=ClipSpec(4, 4), weights="random:0")
    video = list_videos(str(tmp_path / "v.mp4")).videos[0]
    with VideoReader() as reader:
        index = reader.index(StoredVideo(video, open_store(str(tmp_path)).options))
    unit = plan_units(video, index, config)[0]
    tables = []
    for batch in (1, 3 if geometry == "squash" else 20):
        monkeypatch.setattr(extractor, "CPU_BATCH", batch)
        out = tmp_path / f"out{batch}"
        job.claim_dataset(open_store(str(out)), config)
        stage = UnitExtractor(WorkerConfig(config, str(out), queue_clips=1), random_weights(0))
        receipt = stage.extract(unit)
        stage.close()
        assert receipt.status == "done", receipt.message
        path = out / layout.unit_key(unit.unit_id)
        decode_unit(path.read_bytes())
        tables.append(pq.read_table(path))
    one, many = tables
    for name in one.column_names:
        if name in ("pooled", "cuboids"):
            a, b = (t[name].combine_chunks().to_numpy_ndarray().astype(np.float32) for t in tables)
            assert np.allclose(a, b, atol=2e-2, rtol=1e-2), name
        else:
            assert one[name].equals(many[name])


def test_names_that_are_no_utf8_pass_through_the_whole_job(tmp_path, capsys):
    """Folders and files with bytes that are not UTF-8, in the videos and in the target."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/in\xff"))
    folder.mkdir()
    write_video(tmp_path / "x.mp4", 4)
    shutil.move(tmp_path / "x.mp4", folder / os.fsdecode(b"caf\xe9.mp4"))
    (folder / os.fsdecode(b"\xe9.txt")).write_text("no video")
    (folder / os.fsdecode(b"bad\xe9.mp4")).write_text("no video")
    out = str(tmp_path / "out") + os.fsdecode(b"\xfe")
    words = ("--videos", str(folder), "--out", out)
    code, summary = run_here(capsys, "extract", *words, *QUICK)
    assert (code, summary["videos_complete"], summary["quarantined"]) == (3, 1, 1)
    assert main(["extract", *words, *QUICK[:-1]]) == 3
    assert main(["verify", *words]) == 3


# -- second look -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", [".", "in"])
def test_target_that_holds_the_videos_does_not_hide_them(finished, tmp_path, capsys, out):
    """``--out`` above ``--videos``, or the same folder: the videos are found, the results are not taken for any."""
    shutil.copytree(finished[0], tmp_path / "in")
    words = ("extract", "--videos", str(tmp_path / "in"), "--out", str(tmp_path / out), *QUICK, "--dry-run")
    code, summary = run_here(capsys, *words)
    assert (code, summary.get("videos"), summary.get("skipped")) == (0, 2, 0)


def test_dry_run_counts_videos_that_cannot_be_indexed_as_the_run_will(tmp_path, capsys):
    """What a run would quarantine is not "incomplete, run again" in the plan."""
    write_video(tmp_path / "a.mp4", 4)
    (tmp_path / "text.mp4").write_text("no video")
    words = ("extract", "--videos", str(tmp_path), "--out", str(tmp_path / "out"), *QUICK, "--dry-run")
    code, summary = run_here(capsys, *words)
    assert (code, summary["quarantined"], summary["videos_incomplete"]) == (3, 1, 1)  # a.mp4 is to be done


def test_known_evidence_is_not_written_again(tmp_path, capsys, monkeypatch):
    """Ten thousand bad files must not cost ten thousand writes a night."""
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "a.mp4", 4)
    (tmp_path / "in" / "text.mp4").write_text("no video")
    words = ("extract", "--videos", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *QUICK)
    assert run_here(capsys, *words)[0] == 3
    written: list[str] = []
    monkeypatch.setattr(job, "write_record", lambda store, record: written.append(record.unit_id))
    assert run_here(capsys, *words)[0] == 3
    assert written == []
