"""The command from end to end, on local files, in this process's Ray."""

import json
import os
import shutil
import subprocess
import sys

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.extract.harness import QUICK, REPO, pooled, published_rows, run_here, stored, visible
from tests.extract.videos import write_video
from wsvad.backbones.i3d import InceptionI3d, pool_maps
from wsvad.backbones.weights import random_weights
from wsvad.cli import main
from wsvad.clips import ClipSpec

pytestmark = pytest.mark.usefixtures("ray_session")
CLIPS = {"long.mp4": 16, "short.mp4": 5, "exact.mkv": 4, "one.mp4": 1, "sub/old.avi": 8}


@pytest.fixture(scope="module")
def extracted(videos, tmp_path_factory, ray_session):
    """A finished data set of the five videos."""
    out = tmp_path_factory.mktemp("data") / "out"
    assert main(["extract", "--videos", str(videos), "--out", str(out), *QUICK]) == 0
    return out


def test_every_clip_is_there_once(extracted, capsys):
    """Rows are exactly the clips that the frame counts imply, in a published snapshot that verifies."""
    expected = sorted((video, clip, 0) for video, n in CLIPS.items() for clip in range(n))
    assert sorted(published_rows(extracted)) == expected
    code, report = run_here(capsys, "verify", "--out", str(extracted), "--json")
    assert code == 0
    assert (report["clips"], report["expected_clips"], report["videos_complete"]) == (34, 34, 5)


def test_second_run_does_nothing(extracted, videos, capsys):
    """Nothing to do, nothing written."""
    before = {p: (extracted / p).stat().st_mtime_ns for p in visible(extracted)}
    code, summary = run_here(capsys, "extract", "--videos", str(videos), "--out", str(extracted), *QUICK)
    assert (code, summary["units_to_do"], summary["clips"]) == (0, 0, 34)
    assert {p: (extracted / p).stat().st_mtime_ns for p in visible(extracted)} == before


def test_rows_say_which_frames_and_when(extracted):
    """The true end of a padded last clip, and presentation times, are in the row."""
    newest = json.loads(sorted((extracted / "snapshots").glob("*.json"))[-1].read_text())
    key = next(o["key"] for o in newest["objects"] if o["video_id"] == "short.mp4")
    rows = pq.read_table(extracted / key).drop(["pooled", "cuboids"]).to_pylist()
    assert [(r["start_frame"], r["end_frame"]) for r in rows] == [(0, 4), (4, 8), (8, 12), (12, 16), (16, 17)]
    assert [r["start_s"] for r in rows] == pytest.approx([0.0, 0.16, 0.32, 0.48, 0.64])
    assert [r["end_s"] for r in rows] == pytest.approx([0.16, 0.32, 0.48, 0.64, 0.68])


def test_features_are_those_of_the_plain_network_on_plainly_decoded_frames(extracted, videos):
    """Against a loop that a researcher would write: PyAV, resize, fp32 network, one clip at a time."""
    with av.open(str(videos / "short.mp4")) as container:
        frames = [
            f.reformat(224, 224, "rgb24", interpolation="BILINEAR").to_ndarray() for f in container.decode(video=0)
        ]
    model = random_weights(0).model()
    expected = []
    spec = ClipSpec(4, 4)
    for clip in range(spec.count(len(frames))):
        start, end = spec.span(clip, len(frames))
        picked = frames[start:end] + [frames[end - 1]] * (4 - (end - start))
        x = torch.from_numpy(np.stack(picked)).float().div(127.5).sub(1).permute(3, 0, 1, 2)[None]
        with torch.inference_mode():
            expected.append(pool_maps(InceptionI3d.maps(model, x)).pooled_BD[0].numpy())
    newest = json.loads(sorted((extracted / "snapshots").glob("*.json"))[-1].read_text())
    key = next(o["key"] for o in newest["objects"] if o["video_id"] == "short.mp4")
    got = pq.read_table(extracted / key)["pooled"].combine_chunks().to_numpy_ndarray().astype(np.float32)
    for ours, theirs in zip(got, expected, strict=True):
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert cosine > 0.999  # the pictures are noise, on which two scalers differ most


def test_another_configuration_is_a_conflict_and_changes_nothing(extracted, videos, capsys):
    """Exit code 5, the difference is named, the data set is as it was."""
    before = stored(str(extracted))
    code = run_here(
        capsys, "extract", "--videos", str(videos), "--out", str(extracted), *QUICK, "--geometry", "center"
    )[0]
    assert code == 5
    assert stored(str(extracted)) == before


def test_configuration_versions_and_inputs_are_saved_beside_the_data(extracted):
    """A run's record tells how the data was made, and holds no secret."""
    record = json.loads(next((extracted / "runs").glob("*.json")).read_text())
    assert record["config"]["features"]["clips"]["length"] == 4
    assert record["versions"]["torch"]
    assert len(record["config"]["listing_sha256"]) == 64


def test_new_videos_are_added_changed_ones_replaced_and_the_rest_left_alone(videos, tmp_path, capsys):
    """Nightly runs: only what is new is done, and a replaced file gives new rows under the same id."""
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


def test_same_id_from_another_place_is_refused(extracted, tmp_path, capsys):
    """Two cameras with the same file names must not silently replace each other; a prefix tells them apart."""
    other = tmp_path / "cam2"
    other.mkdir()
    write_video(other / "one.mp4", 3)
    code, _ = run_here(capsys, "extract", "--videos", str(other), "--out", str(extracted), *QUICK)
    assert code == 5


def test_long_video_in_many_units_gives_the_features_of_one_unit(videos, extracted, tmp_path, capsys):
    """Cutting a video into units changes nothing but the objects."""
    out = tmp_path / "out"
    words = ("extract", "--videos", str(videos / "long.mp4"), "--out", str(out), *QUICK, "--unit-s", "1")
    code, summary = run_here(capsys, *words)
    assert (code, summary["units"], summary["clips"]) == (0, 3, 16)
    whole = tmp_path / "whole"
    run_here(capsys, "extract", "--videos", str(videos / "long.mp4"), "--out", str(whole), *QUICK)
    assert np.array_equal(pooled(out), pooled(whole))


@pytest.mark.parametrize(
    ("options", "rows", "clips"),
    [
        (("--geometry", "ten-crop", "--no-cuboids"), 50, 5),
        (("--geometry", "center"), 5, 5),
        (("--last-clip", "drop"), 4, 4),
        (("--clip-stride", "2"), 8, 8),
    ],
)
def test_options_that_change_the_rows(videos, tmp_path, capsys, options, rows, clips):
    """Every geometry and clip option reaches the table."""
    out = tmp_path / "out"
    words = ("extract", "--videos", str(videos / "short.mp4"), "--out", str(out), *QUICK, *options)
    code, summary = run_here(capsys, *words)
    assert (code, summary["rows"], summary["clips"]) == (0, rows, clips)
    table = pq.read_table(next((out / "units").rglob("*.parquet")))
    assert ("cuboids" in table.column_names) == ("--no-cuboids" not in options)
    assert run_here(capsys, "verify", "--out", str(out), "--json")[0] == 0


def test_dry_run_plans_and_writes_nothing(videos, tmp_path, capsys):
    """The count of clips comes without a file at the target."""
    out = tmp_path / "out"
    code, summary = run_here(capsys, "extract", "--videos", str(videos), "--out", str(out), *QUICK, "--dry-run")
    assert (code, summary["units_to_do"], summary["expected_clips"]) == (0, 5, 34)
    assert not out.exists() or not list(visible(out))


def test_damaged_unit_is_found_repaired_and_made_again(videos, tmp_path, capsys):
    """Bit rot: verify says so (5), repairs (4), the next run makes the same bytes again (0)."""
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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--videos", "nowhere-at-all"), "no video found"),
        (("--videos", "{videos}", "--unit-s", "9999"), "1 to 3600"),
        (("--videos", "{videos}", "--weights", "random:x"), "whole number"),
        (("--videos", "{videos}", "--weights", "{videos}/notes.txt"), "notes.txt"),
        (("--videos", "{videos}", "--workers", "99"), "the cluster can hold 2"),
        (("--videos", "{videos}", "--gpus-per-worker", "1"), "no node can hold one"),
        ((), "missing option: --videos"),
    ],
)
def test_wrong_options_are_usage_errors_before_any_work(videos, tmp_path, capsys, words, message):
    """Exit code 2, what is wrong, and no unit written."""
    words = [w.replace("{videos}", str(videos)) for w in words]
    capsys.readouterr()
    assert main(["extract", *words, "--out", str(tmp_path / "out"), *QUICK]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out/units/**/*.parquet"))


def test_option_file_is_read_and_unknown_keys_are_refused(videos, tmp_path, capsys):
    """Options may stand in a file; the command line wins; a misspelt key is an error."""
    good = tmp_path / "good.toml"
    good.write_text(f'videos = "{videos / "short.mp4"}"\nclip-length = 8\nclip_stride = 4\ncuboids = false\n')
    out = tmp_path / "out"
    code, summary = run_here(capsys, "extract", "--config", str(good), "--out", str(out), *QUICK, "--dry-run")
    assert (code, summary["expected_clips"]) == (0, 5)
    bad = tmp_path / "bad.toml"
    bad.write_text("clip_lenght = 8\n")
    assert run_here(capsys, "extract", "--config", str(bad), "--out", str(out))[0] == 2


def test_job_script_takes_the_same_options():
    """``jobs/extract.py`` is the same command: its help is that of the verb."""

    def help_of(*command):
        return subprocess.run(
            [sys.executable, *command, "--help"], cwd=REPO, capture_output=True, text=True, check=True
        )

    assert (
        help_of("jobs/extract.py").stdout.split("options:")[1]
        == help_of("-m", "wsvad", "extract").stdout.split("options:")[1]
    )
