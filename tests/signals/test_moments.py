"""Whole commands interrupted at any moment: exit code 130 or 143, no processes left, and the command can be resumed."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.extraction.harness import QUICK, finish, start
from tests.extraction.videos import write_video
from tests.features.factories import random_videos, write_features
from tests.training.factories import plant, planted_records

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
BOTH = tuple(CODES)
EVERY_S = 0.2
_UNDER_WAY = {"training": "training from step", "scoring": "videos to score", "extraction_inline": "videos listed"}
"""Log lines that mark the start of the work."""


class Moment(NamedTuple):
    """When to send the signal."""

    after: str
    """Once this is in the log; empty: once the handlers are there."""
    seconds: float
    """And this long after."""


def _has_handler(pid: int) -> bool:
    """Whether the process has installed its SIGTERM handler; before, the interpreter itself is starting."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def _descendants(mark: str) -> list[str]:
    """Return the command lines of living processes with this mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and mark.encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue  # already ended
    return found


def _wait(condition, process, timeout: float = 180.0) -> None:
    end = time.monotonic() + timeout
    while process.poll() is None and not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def interrupt(words: Sequence[str], moment: Moment, number: signal.Signals, folder: Path) -> float | None:
    """Start a command, send a signal at the given moment and wait; return after how many seconds it was sent.

    ``None`` if the command had finished before.
    """
    mark, log_file = uuid.uuid4().hex, folder / f"{uuid.uuid4().hex}.log"
    with log_file.open("w") as log:
        process = start(*words, env={"WSVAD_TEST_MARK": mark, "OMP_NUM_THREADS": "1"}, stderr=log)
    try:
        _wait(lambda: _has_handler(process.pid), process)
        begun = time.monotonic()
        _wait(lambda: moment.after in log_file.read_text(), process)
        until = time.monotonic() + moment.seconds
        _wait(lambda: time.monotonic() >= until, process)
        sent = time.monotonic() - begun
        over, at = process.poll() is not None, time.monotonic()
        process.send_signal(number)
        code, _, _ = finish(process, timeout=100)
        over = over or (code == 0 and time.monotonic() - at < 0.5)  # it was just finishing
        said = log_file.read_text()
        assert code == (0 if over else CODES[number]), (moment, number, said)
        assert "Traceback" not in said, (moment, number, said)
        word = "interrupted" if number == signal.SIGINT else "terminated"
        assert over or said.count(f"{word}: ") == 1, (moment, number, said)
        end = time.monotonic() + 20
        while left := _descendants(mark):
            assert time.monotonic() < end, (moment, number, left)
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    return None if over else sent


def complete(words: Sequence[str]) -> dict:
    """Run a command to its end."""
    code, summary, log = finish(start(*words), timeout=600)
    assert code == 0, log
    return summary


@pytest.fixture(scope="module")
def extraction(tmp_path_factory):
    """Arguments that extract three short videos on a local Ray, without the target."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(3):
        write_video(folder / f"{number}.mp4", 40)
    return ("extract", "--videos", str(folder), "--unit-s", "1", "--workers", "1", *QUICK, "--out")


@pytest.fixture(scope="module")
def extraction_inline(extraction):
    """The same in one process."""
    words = " ".join(extraction).replace(" --workers 1 ", " --no-ray ")
    return tuple(words.split())


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """Target of all interrupted extractions."""
    return tmp_path_factory.mktemp("extraction") / "out"


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """Arguments that train in one process for some seconds, without the target."""
    planted = plant(tmp_path_factory.mktemp("planted"), planted_records(), cuboids=True)
    steps = ("--steps", "400", "--pairs", "4", "--segments", "8", "--eval-every", "100", "--save-every", "20")
    return ("train", *planted.words, "--model", "sultani", *steps, "--no-ray", "--json", "--out")


@pytest.fixture(scope="module")
def scoring(training, tmp_path_factory):
    """Arguments that score many videos in one process, without the target."""
    root = tmp_path_factory.mktemp("scoring")
    quick = tuple("12" if word == "400" else word for word in training)
    complete((*quick, str(root / "train")))
    pooled, cuboids = random_videos({f"v{i:03d}": 200 for i in range(150)}, views=1, cuboid_shape=(4, 6))
    features = write_features(root / "features", pooled, cuboids)
    checkpoint = str(root / "train" / "checkpoint")
    return ("score", "--features", features, "--checkpoint", checkpoint, "--no-ray", "--json", "--out")


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        pytest.param(Moment("", 0.0), signal.SIGINT, marks=pytest.mark.slow),  # modules are imported
        (Moment("videos listed", 0.0), signal.SIGINT),  # Ray starts, which takes seconds
        (Moment("videos listed", 1.0), signal.SIGTERM),
        pytest.param(Moment("units of", 0.0), signal.SIGTERM, marks=pytest.mark.slow),  # the first actors start
        (Moment("units of", 2.0), signal.SIGINT),
    ],
)
def test_extraction_on_ray_stops_at_any_moment(moment, number, extraction, target, tmp_path):
    """Also while Ray starts, which replaces handlers and swallows exceptions."""
    assert interrupt((*extraction, str(target)), moment, number, tmp_path) is not None


def test_an_interrupted_extraction_can_be_completed(extraction, target):
    """Finished units are kept, and the rest is done."""
    assert complete((*extraction, str(target)))["videos_complete"] == 3


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("training", signal.SIGINT),
        ("scoring", signal.SIGTERM),
        ("extraction_inline", signal.SIGINT),
        pytest.param("training", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("scoring", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("extraction_inline", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_commands_without_ray_stop_at_any_moment(kind, number, request, tmp_path):
    """During imports and during the work; the interrupted commands can be completed."""
    words = (*request.getfixturevalue(kind), str(tmp_path / "out"))
    for moment in (Moment("", 0.7), Moment(_UNDER_WAY[kind], 0.0), Moment(_UNDER_WAY[kind], 0.5)):
        interrupt(words, moment, number, tmp_path)
    complete(words)


@pytest.mark.slow
@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("kind", ["extraction", "extraction_inline", "training", "scoring"])
def test_every_fifth_of_a_second(kind, number, request, tmp_path):
    """From the start until the command finishes before the signal is sent; each target is then completed."""
    words, seconds, struck = request.getfixturevalue(kind), 0.0, 0
    while True:
        target = tmp_path / f"{seconds:.1f}"
        if interrupt((*words, str(target)), Moment("", seconds), number, tmp_path) is None:
            break
        struck += 1
        if struck % 5 == 0:
            complete((*words, str(target)))
        seconds += EVERY_S
    print(f"{kind}: {struck} moments")
    assert struck >= 10
