"""From videos to a data set that every command reads, on footage whose motion is known."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tests.baselines import flow_statistics, motion_energy
from tests.baselines.dataset import build
from tests.baselines.raw_scores import raw_figures
from tests.baselines.statistics import FLOW_CHANNELS
from wsvad.cli import main
from wsvad.errors import UsageError
from wsvad.features.reading import FeatureSet
from wsvad.manifest.records import Box, VideoRecord, read_records, write_records

WIDTH, HEIGHT, CLIPS = 280, 140, 3
FRAMES = 16 * CLIPS - 5
"""The last clip has 11 frames and is padded."""


def render(path, moving, corner):
    """A square of 40x20 pixels, one cell, that flickers between two greys in the clips that are named."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(FRAMES):
            picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            bright = 200 if number // 16 in moving and number % 2 else 120
            picture[corner[1] : corner[1] + 20, corner[0] : corner[0] + 40] = bright
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Four videos, two of each split, of which one is anomalous: it flickers in its second clip."""
    folder = tmp_path_factory.mktemp("videos")
    records = []
    for number, split in enumerate(("train", "train", "test", "test")):
        name, label = f"v{number}.mp4", number % 2
        render(folder / name, {1} if label else set(), (80, 60))
        span = (16, 32)
        records.append(
            VideoRecord(
                name,
                f"{folder}/{name}",
                label=label,
                split=split,
                num_frames=FRAMES,
                width=WIDTH,
                height=HEIGHT,
                spans=(span,) if label else (),
                boxes=(Box(*span, 81, 61, 119, 79),) if label else (),
            )
        )
    write_records(f"{folder}/manifest.parquet", records)
    return f"{folder}/manifest.parquet"


@pytest.fixture(scope="module")
def energy(manifest, tmp_path_factory):
    """The motion energy of these videos."""
    out = str(tmp_path_factory.mktemp("energy"))
    build(manifest, out, motion_energy.CONFIG, motion_energy.motion_energy, lambda line: None)
    return out


def test_motion_energy_is_where_and_when_the_square_flickers(manifest, energy):
    """In the third row and column, in the second clip; as large as the grey levels say; scaled by the training set."""
    features = FeatureSet.open(energy)
    assert features.video_ids == tuple(f"v{n}.mp4" for n in range(4))
    assert (features.pooled_dim, features.cuboid_shape, features.views) == (3, (49, 1), 1)
    video = features.load("v3.mp4")
    assert (video.num_frames, video.width, video.height) == (FRAMES, WIDTH, HEIGHT)
    assert list(zip(video.start_frame, video.end_frame, strict=True)) == [(0, 16), (16, 32), (32, FRAMES)]
    cells = video.cuboids_TVKC[:, 0, :, 0].astype(float) * features.config["scale_C"][0]
    cell = 3 * 7 + 2
    assert cells[1].argmax() == cell
    assert cells[1, cell] == pytest.approx(80, rel=0.1)
    quiet = np.ones((CLIPS, 49), bool)
    quiet[1, cell] = False
    assert cells[quiet].max() < 8
    training = np.concatenate([features.load(n).cuboids_TVKC.astype(float).ravel() for n in ("v0.mp4", "v1.mp4")])
    assert np.sqrt(np.square(training).mean()) == pytest.approx(1, abs=0.01)


def test_as_a_score_it_finds_the_anomaly(manifest, energy):
    """Every figure is 1 where nothing else moves."""
    records = [r for r in read_records(manifest) if r.split == "test"]
    found = raw_figures(FeatureSet.open(energy), records, channel=0, pooling=1)
    assert found == pytest.approx(dict.fromkeys(found, 1.0))
    assert len(found) == 5


def test_flow_statistics_can_be_compared(manifest, tmp_path, capsys):
    """Training, scores and report take them as they take any features; the same is published once."""
    out = str(tmp_path / "features")
    for _ in range(2):
        build(manifest, out, flow_statistics.CONFIG, flow_statistics.describe, lambda line: None)
    features = FeatureSet.open(out)
    assert (features.pooled_dim, features.cuboid_shape) == (57, (49, 19))
    assert features.config["channels"] == list(FLOW_CHANNELS)
    assert features.snapshot.number == 1
    words = ["compare", "--features", out, "--manifest", manifest, "--out", str(tmp_path / "table"), "--no-ray"]
    training = ["--steps", "2", "--pairs", "1", "--segments", "4", "--val-fraction", "0", "--seeds", "1"]
    assert main([*words, *training, "--models", "sultani,st_mil"]) == 0
    assert "region AUC" in capsys.readouterr().out


def test_a_manifest_without_training_videos_is_refused(manifest, tmp_path):
    """There is nothing to scale by."""
    records = [r for r in read_records(manifest) if r.split == "test"]
    write_records(f"{tmp_path}/test.parquet", records)
    with pytest.raises(UsageError, match="some of split train"):
        build(f"{tmp_path}/test.parquet", f"{tmp_path}/out", motion_energy.CONFIG, motion_energy.motion_energy, print)
