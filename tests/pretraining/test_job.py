"""The whole job on a small scale: render, train, resume, export; the same curve after interruptions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.services.moto_server import MotoServer
from wsvad.cli import main
from wsvad.errors import UsageError
from wsvad.loop.group import SingleWorker
from wsvad.pretraining.config import PretrainConfig
from wsvad.pretraining.shards import read_shard, render_shard
from wsvad.pretraining.trainer import PretrainTrainer
from wsvad.pretraining.worker import PretrainPlan, run_pretraining
from wsvad.storage import StoreOptions
from wsvad.weights.source import read_weights

SMALL = PretrainConfig(shards=3, shard_clips=4, steps=4, batch=2, eval_every=2, warmup=1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Rendered clips shared by the tests of this module."""
    return str(tmp_path_factory.mktemp("clips"))


def _words(out: Path, clips: str) -> list[str]:
    words = ["pretrain", "--out", str(out), "--clips", clips, "--no-ray", "--json"]
    for name, value in SMALL.to_dict().items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def test_the_command_renders_trains_and_writes_weights(
    tmp_path: Path, clips: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second call has nothing to do."""
    for _ in range(2):
        assert main(_words(tmp_path / "run", clips)) == 0
        said = json.loads(capsys.readouterr().out)
    weights = read_weights(said["weights"], "inception-compact").weights
    assert weights.digest == said["digest"]
    assert weights.name == "i3d-compact"
    assert bool((weights.state["readout.pooled_deviation"] != 1).all())  # it was measured
    rows = (tmp_path / "run" / "curve.csv").read_text().splitlines()
    assert len(rows) == 1 + SMALL.steps


def test_an_interrupted_run_resumes_identically(tmp_path: Path, clips: str) -> None:
    """Interrupted after the second step, compared with an uninterrupted run."""
    curves = []
    for name, stops in (("calm", (99,)), ("ended", (2, 99))):
        plan = PretrainPlan(SMALL, str(tmp_path / name), clips)
        for stop in stops:
            rows: list[dict[str, float]] = []
            try:
                run_pretraining(plan, SingleWorker(), lambda row, rows=rows, stop=stop: _stop_at(row, rows, stop))
            except _InterruptedError:
                continue
        curves.append((tmp_path / name / "curve.csv").read_text())
    assert curves[0] == curves[1]


class _InterruptedError(Exception):
    """Simulates a kill."""


def _stop_at(row: dict[str, float], rows: list[dict[str, float]], stop: int) -> None:
    rows.append(row)
    if row["step"] > stop:  # the state of step `stop` is saved by now
        raise _InterruptedError


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path, clips: str) -> None:
    """Its checkpoints cannot be resumed, and its file is not changed."""
    words = _words(tmp_path, clips)
    (tmp_path / "recipe.json").write_text("{}")
    assert main(words) == 5
    assert (tmp_path / "recipe.json").read_text() == "{}"


@pytest.mark.usefixtures("ray_session")
def test_two_workers_on_ray_share_the_clips(tmp_path: Path, clips: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each trains on its own shard; they write one curve and one file, which differ from those of one worker."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert main(_words(alone, clips)) == 0
    words = [word for word in _words(together, clips) if word != "--no-ray"]
    assert main([*words, "--workers", "2"]) == 0
    one, two = (json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
    assert two["digest"] != one["digest"]
    assert read_weights(two["weights"], "inception-compact").weights.digest == two["digest"]
    columns, *rows = (together / "curve.csv").read_text().splitlines()
    assert columns == (alone / "curve.csv").read_text().splitlines()[0]
    assert len(rows) == SMALL.steps
    assert np.isfinite(two["loss"])


def test_results_may_be_in_an_object_store(
    s3_bucket: str, moto_server: MotoServer, clips: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rendered clips may not: the error asks for a folder."""
    words = _words(Path("OUT"), clips)
    words[words.index("OUT")] = f"s3://{s3_bucket}/run"
    words += ["--s3-endpoint-url", moto_server.url]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    store = StoreOptions(endpoint_url=moto_server.url)
    assert read_weights(said["weights"], "inception-compact", store).weights.digest == said["digest"]
    where = words.index("--clips")
    assert main([*words[:where], *words[where + 2 :]]) == 2
    assert "--clips" in capsys.readouterr().err


def test_clips_of_another_recipe_are_not_reused(tmp_path: Path) -> None:
    """Neither another seed's nor another shard size's."""
    paths = {render_shard(tmp_path, seed, 0, count) for seed, count in ((0, 1), (1, 1), (0, 2))}
    assert len(paths) == 3
    frames = [read_shard(path)["frames"] for path in sorted(paths)]
    assert [len(found) for found in frames] == [1, 2, 1]
    assert np.array_equal(frames[0][0], frames[1][0])
    assert not np.array_equal(frames[0][0], frames[2][0])


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--shards", "1", "must be more than 1"),
        ("--batch", "5", "at most shard_clips = 4 clips"),
        ("--workers", "2", "--no-ray trains in this process only"),
        ("--address", "auto", "--no-ray trains in this process only"),
    ],
)
def test_invalid_recipes_are_refused(
    tmp_path: Path, clips: str, capsys: pytest.CaptureFixture[str], option: str, value: str, message: str
) -> None:
    """Before anything is rendered."""
    assert main([*_words(tmp_path / "run", clips), option, value]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("workers", "message"), [("4", "cannot be divided among"), ("3", "each of 3 workers")])
def test_indivisible_work_is_refused_before_the_folder_is_claimed(
    tmp_path: Path, clips: str, capsys: pytest.CaptureFixture[str], workers: str, message: str
) -> None:
    """The corrected command therefore does not conflict with the first one."""
    words = [word for word in _words(tmp_path / "run", clips) if word != "--no-ray"]
    batch = "3" if workers == "3" else "2"
    assert main([*words, "--workers", workers, "--batch", batch]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_recipe_without_steps_is_refused() -> None:
    """Also in Python, where no option type checks the values."""
    with pytest.raises(UsageError, match="steps of the recipe is too small"):
        PretrainConfig(steps=0)


def test_without_opencv_nothing_is_started(tmp_path: Path) -> None:
    """In a process that cannot import it, the error names the package to install."""
    words = ["pretrain", "--out", str(tmp_path / "run"), "--no-ray"]
    code = f"import sys; sys.modules['cv2'] = None; from wsvad.cli import main; sys.exit(main({words!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "wsvad[flow]" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path, clips: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the step; the weights of the previous step are kept."""
    assert main([*_words(tmp_path / "run", clips), "--lr", "1e30", "--warmup", "0"]) == 2
    assert "not finite at step" in capsys.readouterr().err
    assert not (tmp_path / "run" / "i3d_compact.safetensors").exists()


def test_training_reduces_the_loss() -> None:
    """The loss of a few clips falls by a third within twelve steps."""
    rng = np.random.default_rng(0)
    batch = {
        "frames": rng.integers(0, 255, (2, 16, 224, 224), dtype=np.uint8),
        "motion": np.ones((2, 4, 7, 7, 11), np.float16),
        "labels": np.zeros((2, 7, 7, 17), np.uint8),
        "clip": np.zeros((2, 24), np.float16),
    }
    config = PretrainConfig(steps=12, batch=2, eval_every=100, warmup=2)
    trainer = PretrainTrainer(config, SingleWorker(), torch.device("cpu"), lambda _step: iter([batch] * 12), batch)
    losses = [row["total"] for row in trainer.train()]
    assert losses[-1] < 0.67 * losses[0]
