"""A process that has imported everything, and forks a child for every command: so a command costs no start.

It never starts a thread itself, so that its children are as sound as fresh processes. Requests and answers are lines of
JSON. Extraction is that of ``tests.extraction.in_process``: a function of the pixels in place of the network.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from tests.faults.kinds import Fault, Operations, Plan

REPO = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0
"""Seconds after which a command counts as hanging."""
_FOREIGN = ("wsvad.demo", "wsvad.cli.demo", "wsvad.report", "wsvad.pretraining")

_IMPORTED_LATE = (
    "boto3", "pyarrow.parquet", "pydantic", "sklearn.ensemble", "sklearn.metrics",
    "tensorboardX", "torch._dynamo",
)  # fmt: skip
"""What commands import when they first need it."""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    """Exit code; negative: the number of the signal that ended it."""
    done: tuple[str, ...]
    """Names and objects of its operations; empty if it was killed."""
    fired: int
    """How many operations had the fault; a killed process had one."""
    log: str


class Zygote:
    """Use as a context manager."""

    def __enter__(self) -> Zygote:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=REPO, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, words: Sequence[str], place: str, folder: Path, plan: Plan | None = None, bug: str = "") -> Ended:
        """Run a command; its buckets, caches, log and report are in ``folder``. ``bug`` is one of ``planted_bugs``."""
        request: dict[str, Any] = {"words": list(words), "place": place, "folder": str(folder), "bug": bug}
        request["plan"] = [plan.fault.value, plan.number] if plan else None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        report = folder / "report.json"
        report.unlink(missing_ok=True)
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the zygote died"
        code = int(json.loads(answer)["code"])
        log = (folder / "log").read_text(errors="replace")
        if not report.exists():
            return Ended(code, (), int(code == -signal.SIGKILL), log)
        found = json.loads(report.read_text())
        return Ended(code, tuple(found["done"]), found["fired"], log)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _import_everything()
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(request)
        answers.write(json.dumps({"code": _wait(child)}) + "\n")
        answers.flush()


def _import_everything() -> None:
    import pytest

    import wsvad
    from tests.extraction.in_process import patch_all

    for module in pkgutil.walk_packages(wsvad.__path__, "wsvad."):
        if not module.name.startswith(_FOREIGN) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    patch = pytest.MonkeyPatch()
    patch_all(patch)
    # one every ten seconds: on a slow machine a run would have more operations than the one that it is compared with
    patch.setattr("wsvad.work.lease.Lease._heartbeat_loop", lambda lease: None)
    gc.freeze()  # so that collections of the children do not copy the pages of all these modules


def _wait(child: int) -> int:
    """Return the exit code of a child; end it after ``LIMIT_S``."""
    until = time.monotonic() + LIMIT_S
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
            return -signal.SIGTERM
        time.sleep(0.003)


def _run(request: Mapping[str, Any]) -> None:
    """Run a command in this child, and end it."""
    code = 99
    try:
        folder = Path(request["folder"])
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        (folder / "caches").mkdir(exist_ok=True)
        os.environ["TMPDIR"] = str(folder / "caches")
        plan = Plan(Fault(request["plan"][0]), request["plan"][1]) if request["plan"] else None
        operations = Operations(request["place"], plan)
        if request["place"] == "bucket":
            from tests.faults import bucket

            bucket.install(folder, operations)
        else:
            from tests.faults import folder as calls

            calls.install(operations)
        if request["bug"]:
            getattr(importlib.import_module("tests.faults.planted_bugs"), request["bug"])()
        from wsvad.cli import main

        code = main(request["words"])
        (folder / "report.json").write_text(json.dumps(operations.to_json()))
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 98
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
