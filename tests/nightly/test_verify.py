"""``wsvad verify`` of a nightly job: intact, and with each kind of object damaged or missing."""

from __future__ import annotations

import functools

import pytest

from tests.extraction.harness import run_here
from tests.nightly.reader import digests
from wsvad.cli import main


@pytest.fixture
def verify(capsys, tmp_path):
    """Run ``wsvad verify`` on the root."""
    return functools.partial(run_here, capsys, "verify", "--out", str(tmp_path / "root"), "--json")


def test_intact_job(night, verify, tmp_path):
    """An intact job has no faults, and nothing is written."""
    night()
    before = digests(tmp_path / "root")
    code, report = verify()
    assert (code, report["night"], report["faults"]) == (0, 1, [])
    assert sorted(prefix.split("/")[0] for prefix in report["data_sets"]) == ["events", "features", "scores"]
    assert digests(tmp_path / "root") == before


KINDS = (
    *("current/*", "nights/*", "inputs/*", "models/*/model.safetensors", "models/*/config.json"),
    *(f"{part}/*/units/*/*" for part in ("features", "scores", "events")),
    *(f"{part}/*/lists/*" for part in ("features", "scores", "events")),
    *(f"{part}/*/snapshots/*" for part in ("features", "scores", "events")),
)


def test_damage_is_reported(night, verify, tmp_path):
    """Damage and absence of each kind of object are reported."""
    night()
    for kind in KINDS:
        path = min((tmp_path / "root").glob(kind))
        whole = path.read_bytes()
        altered = bytearray(whole)
        altered[len(whole) // 2] ^= 1
        path.write_bytes(altered)
        code, report = verify()
        assert (code, bool(report["faults"])) == (5, True), f"{kind} damaged"
        path.unlink()
        code, report = verify()
        if kind == "current/*":
            assert (code, report) == (2, {}), "without any pointer it is no nightly job"
        else:
            assert (code, bool(report["faults"])) == (5, True), f"{kind} gone"
        path.write_bytes(whole)
    assert verify()[0] == 0


def test_failed_videos_are_named_with_what_helps(night, archive, verify, tmp_path, capsys):
    """Running the same command again does not help; replacing the file or purging the video does."""
    (archive / "yard" / "20260301_130000.mp4").write_text("not a video")
    assert night()[0] == 3
    code, report = verify()
    assert (code, report["faults"]) == (3, [])
    (line,) = report["unaccounted"]
    assert line.startswith("yard/20260301_130000.mp4: quarantined")
    assert main(["verify", "--out", str(tmp_path / "root")]) == 3
    shown = capsys.readouterr().out
    assert line in shown
    assert "replace its file in the archive and run the night again, or purge it" in shown
    words = ("purge", "--root", str(tmp_path / "root"), "--video", "yard/20260301_130000.mp4", "--apply", "--force")
    assert main([*words]) == 0
    capsys.readouterr()
    assert verify()[0] == 0
