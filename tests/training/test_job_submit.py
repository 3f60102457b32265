"""``ray job submit -- python jobs/train.py``, on a head node and a worker node started by ``ray start``."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.extraction.ray_head import RayHead
from tests.training.factories import QUICK
from wsvad.checkpoint import load_checkpoint
from wsvad.manifest.records import read_records

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    """Two nodes with one CPU each, for the whole module, started before a test changes the temporary folder.

    Paths below pytest's folder are too long for sockets.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray-head-"))
    started = RayHead(folder)
    yield started
    started.close()
    shutil.rmtree(folder)


def summary_of(head: RayHead, name: str) -> dict[str, Any]:
    """Return the summary that a submitted job printed."""
    summary: dict[str, Any] = json.loads("{" + head.logs(name).split("{", 1)[1])
    return summary


def submit(head: RayHead, name: str, *words: str) -> dict[str, Any]:
    """Submit ``python jobs/...`` from the repository and wait for its record."""
    options = ("--submission-id", name, "--working-dir", ".", "--no-wait")
    begun = head.ray("job", "submit", *options, "--", "python", *words)
    assert begun.returncode == 0, begun.stderr
    return head.wait_for_end(name)


def test_submitted_jobs_train_on_both_nodes_score_and_evaluate(head, planted, tmp_path):
    """One worker per node. A second submission has nothing to do; with other options the record has the exit code.

    The trained model is scored and evaluated by jobs, too.
    """
    out = tmp_path / "out"
    words = (*planted.words, "--model", "sultani", "--out", str(out), "--workers", "2", *QUICK)
    ends = {}
    for name, more in (("first", ()), ("second", ()), ("other", ("--lr", "0.5"))):
        ends[name] = submit(head, name, "jobs/train.py", *words, *more)
    assert [ends[name]["status"] for name in ends] == ["SUCCEEDED", "SUCCEEDED", "FAILED"], head.logs("first")
    assert ends["other"]["driver_exit_code"] == 5
    assert "training.lr" in head.logs("other")
    first, second = (summary_of(head, name) for name in ("first", "second"))
    assert (first["workers"], first["nothing_to_do"], second["nothing_to_do"]) == (2, False, True)
    assert load_checkpoint(str(out / "checkpoint")).digest == first["checkpoint_digest"]

    scores = ("--checkpoint", str(out / "checkpoint"), "--out", str(tmp_path / "scores"))
    ended = submit(head, "score", "jobs/score.py", "--features", planted.features, *scores, "--json")
    assert ended["status"] == "SUCCEEDED", head.logs("score")
    assert summary_of(head, "score")["videos_scored"] == len(read_records(planted.manifest))
    report = ("--manifest", planted.manifest, "--out", str(tmp_path / "report"), "--no-frames")
    ended = submit(head, "evaluate", "jobs/evaluate.py", "--scores", str(tmp_path / "scores"), *report, "--json")
    assert ended["status"] == "SUCCEEDED", head.logs("evaluate")
    found = json.loads((tmp_path / "report/report.json").read_text())["metrics"]["frame_auc"]["value"]
    assert found == summary_of(head, "evaluate")["metrics"]["frame_auc"]["value"]
