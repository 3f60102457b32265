"""A case: one file with everything of some events, and nothing of the others."""

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
from tests.review.saying import of_event, write_file
from wsvad.dataset.sealed import unseal


@pytest.fixture
def root(site, tmp_path):
    """A copy of the root of a nightly job."""
    return str(shutil.copytree(site / "root", tmp_path / "root"))


@pytest.mark.parametrize("with_page", [False, True])
def test_a_case_is_whole(capsys, review, root, tmp_path, with_page):
    """Page, pictures, events, verdicts, digests; the same again gives the same bytes; formulas are defused."""
    review()
    shown = document(tmp_path / "page")
    one, other = shown["events"][:2]
    said = [of_event(shown, e, "true", note='=HYPERLINK("x")') for e in (one, other)]
    run_here(capsys, "verdicts", "--root", root, "--import", write_file(tmp_path / "v.json", said), "--json")
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


def test_what_cannot_be_a_case(capsys, review, root, tmp_path, caplog):
    """An event that is not there, no event, no name for the file: nothing is written."""
    target = tmp_path / "a.zip"
    words = ["review", "--root", root, "--json"]
    assert run_here(capsys, *words, "--zip", str(target), "--case", "f" * 16)[0] == 2
    assert "there is no event" in caplog.text
    assert run_here(capsys, *words, "--zip", str(target))[0] == 2
    assert run_here(capsys, *words, "--case", "f" * 16)[0] == 2
    assert not Path(target).exists()


def test_a_list_that_the_page_saved_is_a_case(capsys, review, root, tmp_path):
    """The file in the place of its ids; what is no list is refused."""
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
