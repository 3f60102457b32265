"""Case files: everything about the selected events, and nothing about others."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.extraction.harness import run_here
from tests.nightly.reader import digests
from tests.review.conftest import document
from tests.review.verdict_records import of_event, write_file
from wsvad.dataset.sealed import unseal


@pytest.fixture
def root(site, tmp_path):
    """A copy of the root of a nightly job."""
    return str(shutil.copytree(site / "root", tmp_path / "root"))


@pytest.mark.parametrize("with_page", [False, True])
def test_case_is_complete(capsys, review, root, tmp_path, with_page):
    """Page, pictures, events, verdicts, digests; equal input gives equal bytes; formulas are neutralised."""
    review()
    shown = document(tmp_path / "page")
    one, other = shown["events"][:2]
    records = [of_event(shown, e, "true", note='=HYPERLINK("x")') for e in (one, other)]
    run_here(capsys, "verdicts", "--root", root, "--import", write_file(tmp_path / "v.json", records), "--json")
    before = digests(tmp_path / "page")
    words = ["review", "--root", root, "--case", one["id"], "--zip", str(tmp_path / "a.zip"), "--json"]
    words += ["--out", str(tmp_path / "page")] if with_page else []
    code, summary = run_here(capsys, *words)
    data = (tmp_path / "a.zip").read_bytes()
    assert (code, summary["events"], summary["pictures"], summary["verdicts"]) == (0, 1, 1, 1)
    assert summary["sha256"] == hashlib.sha256(data).hexdigest()
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        packed.extractall(tmp_path / "case")
    folder = tmp_path / "case" / "case"
    case = unseal((folder / "case.json").read_bytes(), "case", ())
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {"case.json"}
    assert case["sha256"] == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in found}
    (event,) = document(folder)["events"]
    assert (event["id"], event["group"]) == (one["id"], one["id"])
    assert all((folder / event[part]["src"]).is_file() for part in ("clip", "strip", "heat"))
    assert "'=HYPERLINK" in (folder / "verdicts.csv").read_text()
    (record,) = json.loads((folder / "verdicts.json").read_text())["verdicts"]
    assert record["note"] == '=HYPERLINK("x")'
    whole = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert other["id"].encode() not in whole or other["video_id"] == one["video_id"]
    tables = "".join((folder / f"{name}.csv").read_text() for name in ("events", "verdicts"))
    assert "door" not in json.dumps(document(folder)) + tables, "a camera without an event in the case"
    assert run_here(capsys, *words)[1]["sha256"] == summary["sha256"]
    assert digests(tmp_path / "page") == before


def test_invalid_cases(capsys, review, root, tmp_path, caplog):
    """An unknown event, no event, no file name: nothing is written."""
    target = tmp_path / "a.zip"
    words = ["review", "--root", root, "--json"]
    assert run_here(capsys, *words, "--zip", str(target), "--case", "f" * 16)[0] == 2
    assert "this page has no event" in caplog.text
    assert run_here(capsys, *words, "--zip", str(target))[0] == 2
    assert run_here(capsys, *words, "--case", "f" * 16)[0] == 2
    assert not Path(target).exists()


def test_saved_list_of_events(capsys, review, root, tmp_path):
    """A saved list replaces ids on the command line; other files are refused."""
    review("--no-media")
    ids = [event["id"] for event in document(tmp_path / "page")["events"]]
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps({"format": 1, "kind": "wsvad-case", "review_id": "x", "event_ids": ids[:2]}))
    words = ["review", "--root", root, "--json", "--no-media", "--zip", str(tmp_path / "a.zip"), "--case"]
    code, summary = run_here(capsys, *words, str(listed))
    assert (code, summary["events"]) == (0, 2)
    for text in ("[]", '{"kind": "wsvad-case", "event_ids": [7]}', '{"event_ids": []}'):
        listed.write_text(text)
        assert run_here(capsys, *words, str(listed))[0] == 2
    assert run_here(capsys, *words, str(tmp_path / "absent.json"))[0] == 2
