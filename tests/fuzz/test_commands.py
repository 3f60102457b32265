"""Whole commands on data sets whose JSON was changed at random: an exit code of ours, never a traceback."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.checkpoint.test_folder import make
from tests.evaluation.test_job import make_inputs
from tests.extraction.harness import QUICK
from tests.extraction.in_process import patch_all
from tests.extraction.videos import write_video
from tests.fuzz.changing import spoiled_json
from tests.training.factories import QUICK as FEW_STEPS
from tests.training.factories import plant, planted_records
from wsvad.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from wsvad.cli import main
from wsvad.errors import WsvadError
from wsvad.storage import open_store

SOME = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CODES = {0, 2, 3, 4, 5}


class Spoiling:
    """A folder with a command that reads it; one file is spoiled at a time."""

    def __init__(self, root: Path, *words: str) -> None:
        self._root, self._words = root, words
        self._kept = root.with_name(root.name + "-kept")
        shutil.copytree(root, self._kept)

    def run(self, pattern: str, data: st.DataObject) -> None:
        """Spoil the first file of that name, run the command twice, put everything back."""
        path = next(iter(sorted(self._root.glob(pattern))))
        path.write_bytes(data.draw(spoiled_json(path.read_bytes())))
        try:
            for _ in range(2):
                assert main(list(self._words)) in CODES
        finally:
            shutil.rmtree(self._root)
            shutil.copytree(self._kept, self._root)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Spoiling:
    """Scores, their truth, and a report of both."""
    root = tmp_path_factory.mktemp("report") / "all"
    scored, manifest = make_inputs(str(root))
    words = ("evaluate", "--scores", scored, "--manifest", manifest, "--out", str(root / "report"), "--resamples", "0")
    assert main([*words, "--no-frames"]) == 0
    return Spoiling(root, *words, "--no-frames")


@pytest.mark.parametrize(
    "name", ["scores/dataset.json", "scores/snapshots/*.json", "scores/training_ids.json", "report/report.json"]
)
@SOME
@given(st.data())
def test_evaluate_on_anything(name: str, report: Spoiling, data: st.DataObject) -> None:
    """What it reads of the scores, and what an earlier run left at its target."""
    report.run(name, data)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoiling]:
    """Features, and a finished training run."""
    root = tmp_path_factory.mktemp("trained") / "all"
    root.mkdir()
    planted = plant(root, planted_records())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(root.parent))
        patch.setattr("tempfile.tempdir", None)
        words = ("train", *planted.words, "--model", "sultani", *FEW_STEPS, "--no-ray", "--out", str(root / "run"))
        assert main(list(words)) == 0
        yield Spoiling(root, *words)


@pytest.mark.parametrize(
    "name", ["run/training.json", "run/run.json", "run/state/*/state.json", "features/dataset.json",
             "features/snapshots/*.json"]
)  # fmt: skip
@SOME
@given(st.data())
def test_train_on_anything(name: str, trained: Spoiling, data: st.DataObject) -> None:
    """The features, and the run that it would go on with."""
    trained.run(name, data)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoiling]:
    """A data set of two videos, one of which cannot be used."""
    root = tmp_path_factory.mktemp("extracted") / "all"
    (root / "in").mkdir(parents=True)
    write_video(root / "in" / "a.mp4", 9)
    (root / "in" / "b.mp4").write_bytes(b"no video")
    words = ("extract", "--videos", str(root / "in"), "--out", str(root / "out"), *QUICK)
    with pytest.MonkeyPatch.context() as patch:
        patch_all(patch)
        assert main(list(words)) == 3
        yield Spoiling(root, *words)


@pytest.mark.parametrize("name", ["out/dataset.json", "out/snapshots/*.json", "out/quarantine/*/*.json"])
@SOME
@given(st.data())
def test_extract_on_anything(name: str, extracted: Spoiling, data: st.DataObject) -> None:
    """What an earlier run left."""
    extracted.run(name, data)


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Spoiling:
    """A data set of features, to be repaired."""
    root = tmp_path_factory.mktemp("verified") / "all"
    root.mkdir()
    planted = plant(root, planted_records(4, 2))
    return Spoiling(root, "verify", "--out", planted.features, "--repair")


@pytest.mark.parametrize("name", ["features/dataset.json", "features/snapshots/*.json"])
@SOME
@given(st.data())
def test_verify_on_anything(name: str, verified: Spoiling, data: st.DataObject) -> None:
    """Repairs included."""
    verified.run(name, data)


@settings(SOME, max_examples=150)
@given(st.data())
def test_a_checkpoint_is_loaded_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Its configuration spoiled."""
    shutil.rmtree(tmp_path)
    save_checkpoint(open_store(str(tmp_path)), "", make())
    path = tmp_path / "config.json"
    path.write_bytes(data.draw(spoiled_json(path.read_bytes())))
    with contextlib.suppress(WsvadError):
        assert isinstance(load_checkpoint(str(tmp_path)), Checkpoint)
