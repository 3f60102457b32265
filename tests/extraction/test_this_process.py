"""Small runs in this process: without Ray, with the same result."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.extraction.harness import QUICK, finish, run_here, start, stored, until
from tests.extraction.videos import write_video
from tests.scoring.factories import make_checkpoint, write_checkpoint
from tests.video.corpus import sabotaged
from tests.video.misbehaving import COMMAND
from wsvad import display
from wsvad.backbones.weights import untrained_name
from wsvad.cli import main
from wsvad.clips import ClipSpec
from wsvad.extraction import cost, indexing, job, precision, worker
from wsvad.features.config import FeatureConfig
from wsvad.video import VideoReader
from wsvad.work import backend, progress, ray_runner

ROOT = Path(__file__).resolve().parents[2]
FEATURES = FeatureConfig(untrained_name(0, "inception-compact"), clips=ClipSpec(4, 4), precision="fp32")
HEAVY = ("ray", "tensorboardX", "s3fs", "av", "cv2")
"""Modules that a small run must not import. (pandas is imported by pyarrow, wherever it is installed.)"""


@pytest.fixture
def here(in_process, monkeypatch):
    """Nothing is connected, features are a function of the pixels; "Ray" is replaced by the tests' stand-in."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(backend, "_is_connected", lambda: False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A model of cuboids, for features of the untrained network."""
    folder = tmp_path_factory.mktemp("model") / "checkpoint"
    return write_checkpoint(folder, make_checkpoint("st_mil", 160, features=FEATURES))


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """One short video."""
    path = tmp_path_factory.mktemp("short") / "short.mp4"
    write_video(path, 17)
    return path


def _snapshots(folder):
    """The newest snapshot, without when and by which run it was made, and without the digest over that."""
    newest = json.loads(max((folder / "snapshots").glob("*.json")).read_text())
    return {k: v for k, v in newest.items() if k not in ("created_utc", "run_id", "digest")}


def _record(folder):
    (path,) = (folder / "runs").glob("*.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize("verb", ["extract", "score"])
def test_one_short_video_runs_without_a_cluster(verb, short, checkpoint, tmp_path):
    """In a new process, without options for Ray: neither Ray nor a decoder is imported, and the summary says so."""
    words = [verb, "--videos", str(short), "--out", str(tmp_path / "out"), "--json"]
    words += ["--checkpoint", checkpoint] if verb == "score" else QUICK[:-1]
    code = f"""
import json, sys
from wsvad.cli import main
code = main({words!r})
print("loaded", json.dumps([code, sorted(set({HEAVY!r}) & set(sys.modules))]))
"""
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    summary, _, loaded = done.stdout.partition("loaded ")
    assert json.loads(loaded) == [0, []], done.stderr
    summary = json.loads(summary)
    extraction = summary if verb == "extract" else summary["extraction"]
    assert (summary["ran_in"], extraction["ran_in"], extraction["clips"]) == ("process", "process", 5)
    assert extraction["ran_in_why"] == "small run: 5 clips, cost 1 clips of i3d-compact, limit 1000"
    assert "in this process (small run: 5 clips" in done.stderr
    assert _record(tmp_path / "out")["summary"]["ran_in"] == "process"


@pytest.mark.usefixtures("ray_session")
def test_results_equal_those_of_ray_workers(videos, checkpoint, tmp_path, capsys):
    """Extraction and scoring with the real network: same units, same snapshots; each resumes the other's run."""
    words = ("score", "--videos", str(videos), "--checkpoint", checkpoint, "--json")
    made = {}
    for switch in ("--ray", "--no-ray"):
        out = tmp_path / switch
        code, summary = run_here(capsys, *words, "--out", str(out), switch)
        place_of_both = {summary["ran_in"], summary["extraction"]["ran_in"]}
        assert (code, summary["clips"], place_of_both) == (0, 34, {"ray" if switch == "--ray" else "process"})
        made[switch] = [stored(str(f)) | {"snapshot": _snapshots(f)} for f in (out, out / "features")]
    assert made["--ray"] == made["--no-ray"]
    code, summary = run_here(capsys, *words, "--out", str(tmp_path / "--ray"), "--no-ray")
    assert (code, summary["units_to_do"], summary["extraction"]["units_to_do"], summary["ran_in"]) == (0, 0, 0, "")


@pytest.mark.parametrize(
    ("deed", "when", "kind"),
    [
        ("segfault", "clips", "decoder_crash"),
        ("segfault", "index", "decoder_crash"),
        ("hang", "clips", "decoder_hang"),
        ("eat_memory", "clips", "decoder_memory"),
    ],
)
def test_decoder_failures_are_handled_as_on_ray(tmp_path, capsys, monkeypatch, here, deed, when, kind):
    """Quarantined after a repetition in isolation, in a separate decoder; other videos are extracted."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "bad.mp4", "z.mp4"):
        write_video(folder / name, 8)
    (folder / "bad.mp4").write_bytes(sabotaged((folder / "bad.mp4").read_bytes(), deed, when))
    tries = []
    reader = functools.partial(VideoReader, _child_command=COMMAND)
    monkeypatch.setattr(worker, "VideoReader", reader)
    monkeypatch.setattr(indexing, "VideoReader", reader)
    extract = worker.UnitExtractor.extract

    def counted(self, unit):
        tries.append(unit.video_id)
        return extract(self, unit)

    monkeypatch.setattr(worker.UnitExtractor, "extract", counted)
    stall_s = "3" if deed == "hang" else "60"
    words = ("--videos", str(folder), "--out", str(tmp_path / "out"), *QUICK, "--decoder-stall-s", stall_s)
    code, summary = run_here(capsys, "extract", *words)
    assert (code, summary["ran_in"], summary["quarantined"], summary["videos_complete"]) == (3, "process", 1, 2)
    assert [(p["video_id"], p["kind"]) for p in summary["problems"]] == [("bad.mp4", kind)]
    assert tries.count("bad.mp4") == (2 if when == "clips" else 0)
    assert run_here(capsys, "extract", *words)[1]["units_to_do"] == 0


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_stopping_by_signal_keeps_finished_units(tmp_path, capsys, how):
    """The exit code of the signal, one line, no decoder left; the same command resumes to the same bytes."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i in range(2):
        write_video(folder / f"{i}.mp4", 240)
    words = ("--videos", str(folder), "--unit-s", "1", "--no-ray", *QUICK)
    process = start("extract", *words, "--out", str(out))
    until(lambda: process.poll() is not None or list(out.glob("units/*/*.parquet")))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(getattr(signal, how))
    code, _, log = finish(process, timeout=120)
    assert code == {"SIGINT": 130, "SIGTERM": 143}[how], log
    assert "run the same command again to continue" in log
    assert "Traceback" not in log
    assert children, "a decoder ran"
    until(lambda: not any(child.is_running() for child in children), timeout=20)
    kept = stored(str(out))
    code, summary = run_here(capsys, "extract", *words, "--out", str(out))
    assert (code, summary["units_done_before"], summary["videos_complete"]) == (0, len(kept), 2), log
    assert 0 < len(kept) < summary["units"]
    assert kept.items() <= stored(str(out)).items()
    assert run_here(capsys, "verify", "--out", str(out), "--json")[0] == 0


def test_progress_is_logged(short, tmp_path, caplog, monkeypatch, here, capsys):
    """Log lines with the clips of the running unit."""
    monkeypatch.setattr(display, "LINE_EVERY_S", 0.1)
    monkeypatch.setattr(progress, "_POLL_EVERY_S", 0.02)
    monkeypatch.setattr(job.log.parent.parent, "propagate", True)
    batch = worker.ClipNetwork._run

    def slowly(self, *given):
        yield from batch(self, *given)
        seen = len(caplog.messages)
        until(lambda: len(caplog.messages) > seen, timeout=20)

    monkeypatch.setattr(worker.ClipNetwork, "_run", slowly)
    words = ("--videos", str(short), "--out", str(tmp_path / "out"), *QUICK)
    assert run_here(capsys, "extract", *words, "--no-ray")[0] == 0
    assert any(line.startswith(("2/5 clips", "3/5 clips", "4/5 clips")) for line in caplog.messages), caplog.messages


def test_large_runs_use_ray(videos, tmp_path, capsys, monkeypatch, here):
    """Five videos are 34 clips of four frames, with a cost of 8 or 9: with a lower limit, they run on Ray."""
    words = ("extract", "--videos", str(videos), *QUICK)
    plan = run_here(capsys, *words, "--out", str(tmp_path / "a"), "--dry-run")[1]
    assert (plan["ran_in"], plan["units_to_do"]) == ("process", 5)
    monkeypatch.setattr(cost, "SMALL_CLIPS", 8.0)
    code, summary = run_here(capsys, *words, "--out", str(tmp_path / "a"))
    assert (code, summary["ran_in"], summary["clips"]) == (0, "ray", 34)
    assert summary["ran_in_why"].startswith("large run: 34 clips")
    (tmp_path / "in").mkdir()
    shutil.copy(videos / "long.mp4", tmp_path / "in")
    code, summary = run_here(capsys, *words, "--videos", str(tmp_path / "in"), "--out", str(tmp_path / "b"))
    assert (code, summary["ran_in"], summary["clips"]) == (0, "process", 16), "what is left to do counts"


def test_ray_is_started_before_many_videos_are_indexed(videos, tmp_path, capsys, monkeypatch, here):
    """A Ray that cannot start is detected before hours of indexing; videos with a cached index do not count."""
    words = ("extract", "--videos", str(videos), *QUICK, "--out", str(tmp_path / "out"))
    monkeypatch.setattr(job, "FEW_VIDEOS", 4)
    code, summary = run_here(capsys, *words)
    assert (code, summary["ran_in"], summary["ran_in_why"]) == (0, "ray", "large run: 5 new videos, limit 4")
    for unit in (tmp_path / "out" / "units").rglob("*.parquet"):
        unit.unlink()
    for published in (tmp_path / "out" / "snapshots").glob("*.json"):
        published.unlink()
    code, summary = run_here(capsys, *words)
    assert (code, summary["ran_in"], summary["units_done_now"]) == (0, "process", 5)


def test_options_have_precedence_over_the_size(short, tmp_path, capsys, monkeypatch, here):
    """--ray, an option of workers, a cluster in the environment; --no-ray has precedence, also for precision."""
    words = ("extract", "--videos", str(short), *QUICK)
    for number, more in enumerate([("--ray",), ("--workers", "1"), ("--gpus-per-worker", "0")]):
        code, summary = run_here(capsys, *words, *more, "--out", str(tmp_path / str(number)))
        assert (code, summary["ran_in"]) == (0, "ray"), more
    monkeypatch.setenv("RAY_ADDRESS", "10.255.255.1:6379")
    assert run_here(capsys, *words, "--out", str(tmp_path / "env"))[1]["ran_in"] == "ray"
    monkeypatch.setattr(precision, "default_precision", lambda device="cpu": "fp32")
    monkeypatch.setattr(ray_runner, "RayRunner", None)
    words = ("extract", "--videos", str(short), "--no-ray", "--precision", "auto", "--weights", "random", "--json")
    code, summary = run_here(capsys, *words, "--out", str(tmp_path / "no"))
    assert (code, summary["ran_in"], summary["ran_in_why"]) == (0, "process", "requested by --no-ray")


@pytest.mark.parametrize("verb", ["extract", "score"])
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--workers", "2"), "leave out --workers, or --no-ray"),
        (("--address", "auto"), "leave out --address, or --no-ray"),
        (("--memory-per-worker", "2GiB"), "leave out --memory-per-worker, or --no-ray"),
        (("--in-flight", "3"), "leave out --in-flight, or --no-ray"),
        (("--gpus-per-worker", "1"), "PyTorch finds 0 GPUs"),
    ],
)
def test_options_that_need_ray_are_refused_without_it(
    short, checkpoint, tmp_path, capsys, monkeypatch, here, verb, more, message
):
    """Exit code 2 before anything is written."""
    monkeypatch.setattr("wsvad.work.session.cuda_devices", lambda: 0)
    words = [verb, "--videos", str(short), "--out", str(tmp_path / "out"), "--no-ray", *more]
    words += ["--checkpoint", checkpoint] if verb == "score" else QUICK
    capsys.readouterr()
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_option_file_may_say_it(short, tmp_path, capsys, here):
    """``ray = false`` and ``ray = true``; the command line wins."""
    words = ("extract", "--videos", str(short), *QUICK, "--config")
    for said in ("true", "false"):
        (tmp_path / f"{said}.toml").write_text(f"ray = {said}\n")
        summary = run_here(capsys, *words, str(tmp_path / f"{said}.toml"), "--out", str(tmp_path / said))[1]
        assert summary["ran_in"] == ("ray" if said == "true" else "process")
    summary = run_here(capsys, *words, str(tmp_path / "true.toml"), "--no-ray", "--out", str(tmp_path / "both"))[1]
    assert summary["ran_in"] == "process"
