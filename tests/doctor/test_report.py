"""The report as text, as JSON and as an exit code; and what it says about the software that is installed."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import av
import pytest
import torch

from wsvad.backbones import shipped
from wsvad.doctor import Check, DoctorReport, render, run, software, to_json
from wsvad.errors import EXIT_STORAGE

OK = Check("cpu", "ok", "2 cores", data={"cores": 2})
WARN = Check("disk", "warn", "little space " * 20, "free some")
FAIL = Check("store", "fail", "no [red]permission[/red]", "ask", {"uri": "s3://b"}, EXIT_STORAGE)


@pytest.mark.parametrize(
    ("checks", "status", "exit_code"),
    [((OK,), "ok", 0), ((OK, WARN), "warn", 0), ((WARN, FAIL, Check("x", "fail", "")), "fail", 4), ((), "ok", 0)],
)
def test_only_a_failed_check_makes_the_exit_code(checks: tuple[Check, ...], status: str, exit_code: int) -> None:
    """Warnings do not; of several failures the first one counts."""
    report = DoctorReport(checks)
    assert (report.status, report.exit_code) == (status, exit_code)


def test_every_finding_and_remedy_is_in_the_text() -> None:
    """Nothing is cut off, markup in a message is not obeyed, and lines keep to the width."""
    text = render(DoctorReport((OK, WARN, FAIL)), width=60)
    words = re.sub(r"\s+", " ", text)
    for expected in ("2 cores", "little space " * 19, "-> free some", "no [red]permission[/red]", "1 ok, 1 with warnings"):
        assert expected in words
    assert max(map(len, text.splitlines())) <= 60
    assert "\x1b" not in text
    assert "\x1b[" in render(DoctorReport((OK,)), color=True)


def test_the_json_holds_every_check() -> None:
    """One object; each check with name, status, summary, remedy and data."""
    found = json.loads(to_json(DoctorReport((OK, FAIL))))
    assert (found["status"], found["exit_code"]) == ("fail", 4)
    assert found["checks"][1] == {
        "name": "store",
        "status": "fail",
        "summary": "no [red]permission[/red]",
        "remedy": "ask",
        "data": {"uri": "s3://b"},
    }


def test_a_check_is_found_by_its_name() -> None:
    """``report["cpu"]``; another name is a KeyError."""
    report = DoctorReport((OK, FAIL))
    assert report["store"] is FAIL
    with pytest.raises(KeyError):
        report["none"]


def test_this_environment_is_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was installed passes the doctor's own checks (the disk and the memory are the machine's own affair)."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    report = run(str(tmp_path / "out"))
    assert [report[name].status for name in ("versions", "torch", "ffmpeg", "store", "ray")] == ["ok"] * 5
    assert len({check.name for check in report.checks}) == len(report.checks)
    assert json.loads(to_json(report))["exit_code"] == report.exit_code


def test_versions_are_those_that_are_imported() -> None:
    """The versions in the report are those of the modules themselves."""
    data = software.check_versions().data
    assert data["torch"] == torch.__version__
    assert data["av"] == av.__version__


@pytest.mark.parametrize(
    ("version", "status"),
    [("2.59.0", "warn"), ("2.60.1", "ok"), ("2.61.0rc1", "ok"), ("2.65.0+local", "ok"), (None, "fail")],
)
def test_a_version_outside_of_the_range_is_found(
    monkeypatch: pytest.MonkeyPatch, version: str | None, status: str
) -> None:
    """A package that is too old warns, one that is missing fails, a local label or pre-release does neither."""
    real = metadata.version

    def pretend(name: str) -> str:
        if name != "ray":
            return real(name)
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(software.metadata, "version", pretend)
    monkeypatch.setattr(software.metadata, "requires", lambda name: ["ray[data]>=2.60,<2.70", "torch>=2.6"])
    check = software.check_versions()
    assert check.status == status
    assert bool(check.remedy) == (status != "ok")


def test_the_torch_check_tells_build_and_onednn() -> None:
    """It says which device torch was built for, and whether the fast path's library is in it."""
    data = software.check_torch().data
    assert (data["build"] == "CPU") == (torch.version.cuda is None and torch.version.hip is None)
    assert data["mkldnn"] == torch.backends.mkldnn.is_available()


@pytest.mark.parametrize("cards", [[], ["nvidia0"], ["nvidia0", "nvidia1", "nvidiactl"]], ids=["none", "one", "two"])
def test_a_card_that_torch_cannot_use_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cards: list[str]
) -> None:
    """A CPU build on a machine with NVIDIA devices is a warning, on one without it is as it should be."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for card in cards:
        (tmp_path / card).touch()
    check = software.check_devices(tmp_path)
    assert check.status == ("warn" if cards else "ok")
    assert check.data["device_files"] == [card for card in cards if card != "nvidiactl"]


def test_the_decoders_are_those_that_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the usual codecs are in PyAV's wheel; one that is missing warns, H.264 fails."""
    check = software.check_ffmpeg()
    assert check.status == "ok"
    assert check.data["ffmpeg"] == av.ffmpeg_version_info
    monkeypatch.setattr(software, "DECODERS", ("h264", "no-such-codec"))
    assert software.check_ffmpeg().status == "warn"
    monkeypatch.setattr(av.codec, "Codec", _no_codec)
    assert software.check_ffmpeg().status == "fail"


def _no_codec(name: str, mode: str) -> None:
    raise av.codec.codec.UnknownCodecError(name)


def test_missing_and_altered_embedded_weights_are_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without its weights is one to look at, one with damaged weights is not fit."""
    monkeypatch.setattr(shipped, "path", lambda: tmp_path / shipped.FILE)
    assert software.check_weights().status == "warn"
    shipped.path().write_bytes(b"not weights at all")
    found = software.check_weights()
    assert (found.status, found.data["embedded"]) == ("fail", None)
    assert "damaged" in found.summary
