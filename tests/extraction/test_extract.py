"""The command end to end, on local files: real network, real workers, in the tests' Ray."""

import json

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.extraction.harness import QUICK, published_rows, published_videos, run_here, visible
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


def test_every_clip_is_present_once(extracted, capsys):
    """Rows are exactly the clips that follow from the frame counts, in a published snapshot that verifies."""
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


def test_rows_hold_frame_spans_and_times(extracted):
    """Including the true end of a padded last clip, and presentation times."""
    (key,) = (o["key"] for o in published_videos(extracted)["short.mp4"]["objects"])
    rows = pq.read_table(extracted / key).drop(["pooled", "cuboids"]).to_pylist()
    assert [(r["start_frame"], r["end_frame"]) for r in rows] == [(0, 4), (4, 8), (8, 12), (12, 16), (16, 17)]
    assert [r["start_s"] for r in rows] == pytest.approx([0.0, 0.16, 0.32, 0.48, 0.64])
    assert [r["end_s"] for r in rows] == pytest.approx([0.16, 0.32, 0.48, 0.64, 0.68])


def test_features_equal_the_plain_network_on_plainly_decoded_frames(extracted, videos):
    """Compared with a straightforward loop: PyAV, resize, plain fp32 network, one clip at a time."""
    with av.open(str(videos / "short.mp4")) as container:
        frames = [
            f.reformat(224, 224, "rgb24", interpolation="BILINEAR").to_ndarray() for f in container.decode(video=0)
        ]
    model = random_weights(0, "inception-compact").model()
    expected = []
    spec = ClipSpec(4, 4)
    for clip in range(spec.count(len(frames))):
        start, end = spec.span(clip, len(frames))
        picked = frames[start:end] + [frames[end - 1]] * (4 - (end - start))
        with torch.inference_mode():
            expected.append(model(torch.from_numpy(np.stack(picked)[None])).pooled_BD[0].numpy())
    (key,) = (o["key"] for o in published_videos(extracted)["short.mp4"]["objects"])
    got = pq.read_table(extracted / key)["pooled"].combine_chunks().to_numpy_ndarray().astype(np.float32)
    for ours, theirs in zip(got, expected, strict=True):
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert cosine > 0.999  # the pictures are noise, on which two scalers differ most


def test_configuration_versions_and_inputs_are_saved_with_the_data(extracted):
    """A run record describes how the data was made, and holds no secret."""
    record = json.loads(next((extracted / "runs").glob("*.json")).read_text())
    assert record["config"]["features"]["clips"]["length"] == 4
    assert record["versions"]["torch"]
    assert len(record["config"]["listing_sha256"]) == 64
