"""Videos, features, model and scores in object storage of every provider: extract, train, score, verify."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.extraction.harness import QUICK, run_here
from tests.extraction.videos import write_video
from tests.services.moto_server import MotoServer
from tests.services.providers import PROVIDERS, reach
from wsvad.doctor.services import check_store
from wsvad.storage import StoreOptions, open_store

HONOUR = {"s3": True, "az": True, "gs": False, "shelf": False}
"""Providers that support create-only writes; Google's emulator does not."""
LABELS = (0, 1, 0, 1, 0, 1)


@pytest.fixture(
    params=["s3", *(name for name in PROVIDERS if name != "memory")]
)  # whose content is lost with the process
def root(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A prefix with six short videos and their manifest."""
    if request.param == "s3":
        server: MotoServer = request.getfixturevalue("moto_server")
        uri = f"s3://{request.getfixturevalue('s3_bucket')}/{uuid.uuid4().hex}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    else:
        uri = reach(request.param, request, monkeypatch)
    store = open_store(f"{uri}/videos")
    lines = ["uri,label,split"]
    for number, label in enumerate(LABELS):
        path = tmp_path / f"v{number}.mp4"
        write_video(path, 40 + 4 * number)
        store.replace(f"{label}/{path.name}", path.read_bytes())
        lines.append(f"{label}/{path.name},{label},{'train' if number < 4 else 'test'}")
    store.replace("manifest.csv", "\n".join(lines).encode())
    return uri


def test_the_whole_pipeline(root: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Each verb succeeds, has nothing to do the second time, and warns if create-only is not supported."""
    said = "does not support create-only writes"
    honoured = HONOUR[root.partition(":")[0]]

    def run(*words: str) -> dict[str, Any]:
        caplog.clear()
        code, summary = run_here(capsys, *words, "--json")
        assert code == 0, (words, caplog.text)
        return summary

    extract = ("extract", "--videos", f"{root}/videos/manifest.csv", "--out", f"{root}/features", "--no-ray")
    summary = run(*extract, *QUICK[:-1])
    assert summary["videos"] == len(LABELS), summary
    assert (said in caplog.text) is not honoured
    assert run(*extract, *QUICK[:-1])["units_to_do"] == 0
    train = ("train", "--features", f"{root}/features", "--manifest", f"{root}/videos/manifest.csv", "--no-ray")
    run(*train, "--model", "sultani", "--steps", "3", "--pairs", "1", "--val-fraction", "0", "--out", f"{root}/run")
    assert (said in caplog.text) is not honoured
    score = ("score", "--features", f"{root}/features", "--checkpoint", f"{root}/run/checkpoint", "--no-ray")
    assert run(*score, "--out", f"{root}/scores")["videos"] == len(LABELS)
    assert run(*score, "--out", f"{root}/scores")["units_to_do"] == 0
    for made in ("features", "scores", "run"):
        run("verify", "--out", f"{root}/{made}")
    check = check_store(f"{root}/new", StoreOptions())
    assert (check.status, check.data["create_only"]) == ("ok" if honoured else "warn", honoured)
