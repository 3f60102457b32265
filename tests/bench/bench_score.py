"""Clips a second and core of scoring from features, the model alone and the whole stage.

Run ``python -m tests.bench.bench_score`` (two minutes). One thread, processor time of the whole process, features of
the shape of ``i3d-compact`` (56, and 49x160) as extraction stores them; models and lengths take turns, and the best of
the rounds counts. Printed for each model and length of video:

* ``model``: ``Scorer`` on features in memory.
* ``read``: reading, checking and decoding the stored features as the model takes them.
* ``stage``: ``VideoScorer``, from the stored features to the stored scores, with everything that a worker does.
* ``limit``: clips of which all multiplications of matrices would take a second at the speed of a large product of
  float32 matrices here, and nothing else any time.

Beside them ``mmacs``: multiply-adds of matrices a clip, in millions; they grow with the length, because each clip looks
at all others of its window.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.bench.bench_model import matrix_peak
from tests.features.factories import CONFIG, random_videos, write_features
from tests.scoring.factories import make_checkpoint
from wsvad.checkpoint import Checkpoint
from wsvad.features.reading import FeatureSet
from wsvad.scoring.compatibility import check_compatible
from wsvad.scoring.scorer import Scorer
from wsvad.scoring.units import unit_of
from wsvad.scoring.worker import Payload, VideoScorer, WorkerConfig
from wsvad.storage import open_store

MODELS = {"ltgs": 56, "st_ltgs": 160}
"""Width of what each sees."""
LENGTHS = (94, 937)
"""Clips of a video of one minute and of ten, at 25 frames/s."""


def seconds(call: Callable[[], object]) -> float:
    """Return the processor time of one call."""
    started = time.process_time()
    call()
    return time.process_time() - started


class Case:
    """One model and one length of video."""

    def __init__(self, folder: Path, features: FeatureSet, model: str, video_id: str) -> None:
        self._features, self._id = features, video_id
        self._checkpoint: Checkpoint = make_checkpoint(model, MODELS[model], features=CONFIG)
        self._out = folder / f"{model}-{video_id}"
        self._scorer = Scorer(self._checkpoint, threads=1)
        self._whole = features.load(video_id, cuboids=self._scorer.uses_cuboids)
        self._round = 0

    def model(self) -> None:
        """Score what is in memory."""
        self._scorer(self._whole)

    def read(self) -> None:
        """Read the features."""
        for _ in self._features.stream([self._id], cuboids=self._scorer.uses_cuboids):
            pass

    def stage(self) -> VideoScorer:
        """Return a worker's stage, which writes to a data set of its own, where nothing is stored yet."""
        self._round += 1
        config = check_compatible(self._checkpoint, self._features, None)
        out = open_store(str(self._out / str(self._round)))
        out.create("dataset.json", b"{}")
        return VideoScorer(WorkerConfig(config, out.uri), Payload(self._checkpoint, self._features))

    def score(self, stage: VideoScorer) -> None:
        """Score from the stored features to the stored scores."""
        receipt = stage.score(unit_of(self._features, self._id, stage._config.scores.fingerprint))
        assert receipt.status == "done", receipt

    @property
    def macs(self) -> int:
        """Multiply-adds of matrices in scoring the video."""
        with FlopCounterMode(display=False) as counted:
            self.model()
        return int(counted.get_total_flops()) // 2


def main() -> None:
    """Measure, print a line of JSON for every model and length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lengths = {f"v{length}.mp4": length for length in LENGTHS}
        pooled, cuboids = random_videos(lengths, dim=56, cuboid_shape=(49, 160))
        features = FeatureSet.open(write_features(folder / "features", pooled, cuboids))
        cases = {(m, v): Case(folder, features, m, v) for m in MODELS for v in lengths}
        best: dict[tuple[str, str], dict[str, float]] = {
            key: dict.fromkeys(("model", "read", "stage"), float("inf")) for key in cases
        }
        peak = 0.0
        for _ in range(args.rounds + 1):  # the first round is slower, and never the best
            peak = max(peak, matrix_peak(torch.float32, time.process_time))
            for key, case in cases.items():
                stage = case.stage()
                parts = {
                    "model": seconds(case.model),
                    "read": seconds(case.read),
                    "stage": seconds(lambda case=case, stage=stage: case.score(stage)),  # type: ignore[misc]
                }
                best[key] = {part: min(best[key][part], took) for part, took in parts.items()}
        for (model, video_id), times in best.items():
            clips = lengths[video_id]
            rates = {part: round(clips / took) for part, took in times.items()}
            mmacs = cases[model, video_id].macs / clips / 1e6
            rates["limit"] = round(peak * 1e3 / mmacs)
            said = {"model": model, "clips": clips, "clips_per_s": rates, "mmacs": round(mmacs, 1)}
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
