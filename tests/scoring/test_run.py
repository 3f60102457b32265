"""Scoring on a real Ray."""

import pytest

from tests.extract.harness import run_here, stored
from tests.scoring.conftest import LENGTHS
from tests.scoring.factories import make_checkpoint, write_checkpoint


@pytest.mark.usefixtures("ray_session")
def test_workers_give_the_bytes_of_one_process(features, tmp_path, capsys):
    """Two workers on Ray Data, then nothing left to do, then the same in this process: equal objects."""
    checkpoint = write_checkpoint(tmp_path / "checkpoint", make_checkpoint("st_mil", 6))
    words = ("score", "--features", features, "--checkpoint", checkpoint, "--json")
    code, summary = run_here(capsys, *words, "--out", str(tmp_path / "ray"))
    assert (code, summary["units_done_now"], summary["clips"]) == (0, 4, sum(LENGTHS.values()))
    assert run_here(capsys, *words, "--out", str(tmp_path / "ray"))[1]["units_to_do"] == 0
    assert run_here(capsys, *words, "--out", str(tmp_path / "here"), "--no-ray")[0] == 0
    assert stored(str(tmp_path / "ray")) == stored(str(tmp_path / "here"))
    assert run_here(capsys, *words, "--out", str(tmp_path / "more"), "--workers", "99")[0] == 2
    assert not (tmp_path / "more" / "dataset.json").exists()
