"""``ray job submit -- python jobs/extract.py``, on a head and a worker node started with ``ray start``."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extraction.harness import QUICK, published_rows, until, visible
from tests.extraction.ray_head import RayHead
from tests.extraction.videos import write_video
from wsvad.manifest.listing import list_videos
from wsvad.storage import open_store
from wsvad.verification.data_set import verify

UNITS, CLIPS = 5, 25
OURS = ("WARNING FEATURES OF AN UNTRAINED", "INFO ", "ERROR terminated")
WORDS = (*QUICK[:-1], "--unit-s", "1")  # without --json: what a person reads


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    """A cluster for the whole module. Its folder is not below pytest's, whose path is too long for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ray-head-"))
    started = RayHead(folder)
    yield started
    started.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One video of 100 frames: five units of at most a second (six clips), 25 clips."""
    folder = tmp_path_factory.mktemp("footage")
    write_video(folder / "camera.mp4", 100)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The target of the jobs, which build on each other in the order of the tests."""
    return tmp_path_factory.mktemp("features") / "out"


def log_lines(logs: str) -> list[str]:
    """Return the log lines after Ray's own two, without their time."""
    first, second, *rest = logs.strip().splitlines()
    assert first.endswith("Runtime env is setting up.")
    assert second.startswith("Running entrypoint for job")
    return [line.split(" ", 1)[1] if line[:2].isdigit() else line for line in rest]


def test_the_token_is_private_and_required(head):
    """The documented command makes a private file; server and command refuse a missing or wrong token."""
    assert head.token_mode() == 0o600
    assert [head.request("/api/jobs/", token=t)[0] for t in ("", "0" * 64)] == [401, 403]
    assert head.request("/api/jobs/") == (200, [])
    refused = head.ray("job", "submit", "--", "true", env={"HOME": "/nowhere"})
    assert refused.returncode == 1
    assert "couldn't find an authentication token" in refused.stderr
    assert head.request("/api/jobs/") == (200, [])


def test_nodes_do_not_have_the_package(head):
    """Otherwise the tests below would not prove that nodes with only the requirements suffice."""
    done = subprocess.run(
        [head.programs / "python", "-c", "import wsvad"], cwd="/", capture_output=True, text=True, check=False
    )
    assert "No module named 'wsvad'" in done.stderr


def test_a_stopped_job_resumes_when_submitted_again(head, footage, out):
    """``ray job stop`` leaves only complete units; the same command completes the rest; a third has nothing to do."""
    words = ("--videos", str(footage), "--out", str(out), *WORDS)
    env = json.dumps({"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "60"}})
    begun = head.ray(
        *("job", "submit", "--submission-id", "stopped", "--no-wait", "--working-dir", ".", "--runtime-env-json", env),
        *("--", "exec", "python", "jobs/extract.py", *words, "--workers", "1"),
    )
    assert begun.returncode == 0, begun.stderr
    until(lambda: list(out.glob("units/*/*.parquet")), timeout=240)
    with head.workers_frozen():  # else a machine that is busy could finish before the command that stops it has begun
        assert head.ray("job", "stop", "stopped").returncode == 0
        assert head.wait_for_end("stopped")["status"] == "STOPPED"
    kept = len(list(out.glob("units/*/*.parquet")))
    assert 1 <= kept < UNITS
    assert {p.split("/")[0] for p in visible(out)} == {"dataset.json", "index", "pictures", "units"}
    lines = log_lines(head.logs("stopped"))
    assert lines[-1] == "ERROR terminated: finished units are kept; run the same command again to continue"
    assert all(line.startswith(OURS) for line in lines), lines

    again = head.submit("again", *words, wait=True)
    assert again.returncode == 0, again.stdout
    lines = log_lines(head.logs("again"))
    planned = next(line for line in lines if "to do" in line)
    assert planned.endswith("units of 1 videos to do")
    assert any(line.endswith("2 workers (each 1 CPU, 0 GPU)") for line in lines)
    assert 1 <= int(planned.split()[1]) <= UNITS - kept  # a worker may have finished one while its driver ended
    assert any(line.split()[:4] == ["clips", str(CLIPS), "of", str(CLIPS)] for line in lines)
    assert all(line in again.stdout for line in lines)
    rows = published_rows(out)
    assert len(rows) == len(set(rows)) == CLIPS
    report = verify(open_store(str(out)), listing=list_videos(str(footage)))
    assert (report.exit_code, report.faults) == (0, [])

    before = sorted(visible(out))
    assert head.submit("third", *words, wait=True).returncode == 0
    assert "nothing to do" in head.logs("third")
    assert sorted(visible(out)) == before


def test_the_working_directory_is_small(head):
    """From the repository's root, with virtual environment and history: a few megabytes are uploaded."""
    copies = head.working_directories()
    assert copies
    for copy in copies:
        assert (copy / "wsvad" / "work" / "cluster.py").exists()
        assert not {".git", ".venv", "tests", "docs"} & {p.name for p in copy.iterdir()}
        assert sum(p.stat().st_size for p in copy.rglob("*") if p.is_file()) < 6 << 20


def test_exit_codes_and_messages_reach_the_submitter(head, footage, out, tmp_path):
    """Ray reports FAILED and 1 for every failure; the job's own exit code and message are in its record and logs."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "text.mp4").write_text("no video at all")
    videos, target = ("--videos", str(footage)), str(tmp_path / "out")
    lost = ("--s3-endpoint-url", "http://127.0.0.1:9", "--s3-attempts", "1", "--s3-region", "us-east-1")
    expected = {
        "relative": (2, "lies in the working directory of a submitted job", (*videos, "--out", "features")),
        "bad": (3, "text.mp4", ("--videos", str(tmp_path / "bad"), "--out", target)),
        "lost": (4, "s3://bucket/out", (*videos, "--out", "s3://bucket/out", *lost)),
    }
    conflict = (5, "Nothing was changed", (*videos, "--out", str(out), "--geometry", "center"))
    uploaded = {"working_dir": head.request("/api/jobs/again")[1]["runtime_env"]["working_dir"]}
    for name, (_, _, words) in expected.items():
        head.post(name, *words, *WORDS, runtime_env=uploaded)
    followed = head.submit("followed", *conflict[2], *WORDS, wait=True)
    assert followed.returncode == 1, followed.stderr
    assert conflict[1] in followed.stdout
    for name, (code, message, _) in {**expected, "followed": conflict}.items():
        job = head.wait_for_end(name)
        assert (job["status"], job["driver_exit_code"]) == ("FAILED", code), head.logs(name)
        assert message in head.logs(name)
        assert message in job["message"]
    assert len(published_rows(out)) == CLIPS
