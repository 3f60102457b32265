"""``wsvad verify`` of sweeps: detection, repair and re-creation of every kind of object."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.tuning.sweeps import rows, run_tune, sweep_command
from wsvad.cli import main


def verify(capsys, out: Path, *words: str) -> tuple[int, dict]:
    """Run ``wsvad verify``; return exit code and JSON output."""
    capsys.readouterr()
    code = main(["verify", "--out", str(out), "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def flip(path: Path, place: float = 0.5) -> None:
    """Flip one bit."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)


def test_intact_sweep(swept, capsys):
    """An intact sweep is complete; the report counts its objects."""
    code, report = verify(capsys, swept)
    assert (code, report["trials"], report["results"], report["faults"]) == (0, 4, 12, [])


@pytest.mark.parametrize(
    "name",
    [
        "plan.json", "sweep.json", "trials.parquet", "val_scores.parquet", "trials/00001/config.json",
        "trials/00002/seed-1/step-00000012.json", "trials/00002/seed-1/step-00000012.parquet",
        "best.toml", "report.html", "winner/*/checkpoint/model.safetensors",
    ],
)  # fmt: skip
def test_flipped_bit_in_every_kind_of_object(name, planted_sweep, swept, tmp_path, capsys):
    """``verify`` names it; after ``--repair`` and the same command the sweep has its original rows."""
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    (victim,) = out.glob(name)
    flip(victim)
    code, report = verify(capsys, out)
    assert code == 5
    assert str(victim.relative_to(out)).split("/checkpoint")[0] in report["faults"][0]
    code, report = verify(capsys, out, "--repair")
    if name.startswith("winner"):
        shutil.rmtree(victim.parent)
    else:
        assert code == 4
        assert report["repairs"]
    assert run_tune(capsys, *sweep_command(planted_sweep, str(out), "--no-ray"))[0] == 0
    assert verify(capsys, out)[0] == 0
    assert rows(out) == rows(swept)


@pytest.mark.parametrize("place", [0.02, 0.3, 0.7, 0.98])
def test_flipped_bit_anywhere_in_tables(place, swept, tmp_path, capsys):
    """Parquet has checksums of its pages only: headers, statistics and the footer have none."""
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    for name in ("trials.parquet", "val_scores.parquet", "trials/00002/seed-1/step-00000012.parquet"):
        flip(out / name, place)
    code, report = verify(capsys, out)
    assert (code, len(report["faults"])) == (5, 3)


def test_unrepairable_damage(swept, tmp_path, capsys):
    """Without the record of its options a sweep cannot be resumed."""
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    (out / "tuning.json").unlink()
    for words in ((), ("--repair",)):
        code, report = verify(capsys, out, *words)
        assert code == 5
        assert "tuning.json: it is missing" in report["faults"][0]


def test_unfinished_sweep(swept, tmp_path, capsys):
    """Intact so far: exit code 4."""
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    (out / "sweep.json").unlink()
    code, report = verify(capsys, out)
    assert (code, report["faults"], report["finished"]) == (4, [], False)
