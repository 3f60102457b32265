"""``ray job submit -- python jobs/train.py``, against a head and a worker node that ``ray start`` started."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extract.ray_head import RayHead
from tests.train.factories import QUICK
from wsvad.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture
def head() -> Iterator[RayHead]:
    """A cluster of two nodes with one CPU each. Not below pytest's folder, whose path is too long for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ray-head-"))
    started = RayHead(folder)
    yield started
    started.close()
    shutil.rmtree(folder)


def test_submitted_job_trains_on_both_nodes(head, planted, tmp_path):
    """One worker a node; submitted again it has nothing to do; with other options its exit code is in its record."""
    out = tmp_path / "out"
    words = (*planted.words, "--model", "sultani", "--out", str(out), "--workers", "2", *QUICK)
    ends = {}
    for name, more in (("first", ()), ("second", ()), ("other", ("--lr", "0.5"))):
        options = ("--submission-id", name, "--working-dir", ".", "--no-wait")
        begun = head.ray("job", "submit", *options, "--", "python", "jobs/train.py", *words, *more)
        assert begun.returncode == 0, begun.stderr
        ends[name] = head.ended(name)
    assert [ends[name]["status"] for name in ends] == ["SUCCEEDED", "SUCCEEDED", "FAILED"], head.logs("first")
    assert ends["other"]["driver_exit_code"] == 5
    assert "training.lr" in head.logs("other")
    first, second = (json.loads("{" + head.logs(n).split("{", 1)[1]) for n in ("first", "second"))
    assert (first["workers"], first["nothing_to_do"], second["nothing_to_do"]) == (2, False, True)
    assert load_checkpoint(str(out / "checkpoint")).digest == first["checkpoint_digest"]
