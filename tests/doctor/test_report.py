"""The report as text, JSON and exit code; and the checks of installed software."""

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
def test_only_failed_checks_set_the_exit_code(checks: tuple[Check, ...], status: str, exit_code: int) -> None:
    """Warnings do not; the first of several failures counts."""
    report = DoctorReport(checks)
    assert (report.status, report.exit_code) == (status, exit_code)


def test_the_text_has_every_summary_and_remedy() -> None:
    """Nothing is truncated, markup in messages is escaped, and lines keep to the width."""
    text = render(DoctorReport((OK, WARN, FAIL)), width=60)
    words = re.sub(r"\s+", " ", text)
    for expected in (
        "2 cores",
        "little space " * 19,
        "-> free some",
        "no [red]permission[/red]",
        "1 ok, 1 with warnings",
    ):
        assert expected in words
    assert max(map(len, text.splitlines())) <= 60
    assert "\x1b" not in text
    assert "\x1b[" in render(DoctorReport((OK,)), color=True)


def test_the_json_has_every_check() -> None:
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
    """``report["cpu"]``; an unknown name is a KeyError."""
    report = DoctorReport((OK, FAIL))
    assert report["store"] is FAIL
    with pytest.raises(KeyError):
        report["none"]


def test_this_environment_is_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The installed packages pass (disk and memory depend on the machine)."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    report = run(str(tmp_path / "out"))
    assert [report[name].status for name in ("versions", "torch", "ffmpeg", "store", "ray")] == ["ok"] * 5
    assert len({check.name for check in report.checks}) == len(report.checks)
    assert json.loads(to_json(report))["exit_code"] == report.exit_code


def test_versions_are_those_of_the_imported_modules() -> None:
    """According to the modules themselves."""
    data = software.check_versions().data
    assert data["torch"] == torch.__version__
    assert data["av"] == av.__version__


@pytest.mark.parametrize(
    ("version", "status"),
    [("2.59.0", "warn"), ("2.60.1", "ok"), ("2.61.0rc1", "ok"), ("2.65.0+local", "ok"), (None, "fail")],
)
def test_a_version_outside_of_its_range_is_detected(
    monkeypatch: pytest.MonkeyPatch, version: str | None, status: str
) -> None:
    """A package too old is a warning, a missing one a failure; local labels and pre-releases are accepted."""
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


def test_the_torch_check_has_build_and_onednn() -> None:
    """The device type of the build, and whether oneDNN is included."""
    data = software.check_torch().data
    assert (data["build"] == "CPU") == (torch.version.cuda is None and torch.version.hip is None)
    assert data["mkldnn"] == torch.backends.mkldnn.is_available()


@pytest.mark.parametrize("cards", [[], ["nvidia0"], ["nvidia0", "nvidia1", "nvidiactl"]], ids=["none", "one", "two"])
def test_a_gpu_that_torch_cannot_use_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cards: list[str]
) -> None:
    """A CPU build is a warning only on a machine with NVIDIA devices."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for card in cards:
        (tmp_path / card).touch()
    check = software.check_devices(tmp_path)
    assert check.status == ("warn" if cards else "ok")
    assert check.data["device_files"] == [card for card in cards if card != "nvidiactl"]


def test_available_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV's wheel has all common codecs; a missing one is a warning, missing H.264 a failure."""
    check = software.check_ffmpeg()
    assert check.status == "ok"
    assert check.data["ffmpeg"] == av.ffmpeg_version_info
    monkeypatch.setattr(software, "DECODERS", ("h264", "no-such-codec"))
    assert software.check_ffmpeg().status == "warn"
    monkeypatch.setattr(av.codec, "Codec", _no_codec)
    assert software.check_ffmpeg().status == "fail"


def _no_codec(name: str, mode: str) -> None:
    raise av.codec.codec.UnknownCodecError(name)


def test_missing_and_damaged_embedded_weights_are_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing weights are a warning, damaged ones a failure."""
    monkeypatch.setattr(shipped, "path", lambda: tmp_path / shipped.FILE)
    assert software.check_weights().status == "warn"
    shipped.path().write_bytes(b"not weights at all")
    found = software.check_weights()
    assert (found.status, found.data["embedded"]) == ("fail", None)
    assert "damaged" in found.summary
