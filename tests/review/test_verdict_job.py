"""``wsvad verdicts`` and purges: from an exported file to statistics and a manifest, and deletion."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.extraction.harness import run_here
from tests.nightly.reader import digests
from tests.nightly.test_purge import content_id, everything
from tests.review.conftest import document
from tests.review.verdict_records import of_event, verdict, write_file
from wsvad.manifest.records import read_records
from wsvad.storage import open_store

YARD = "yard/20260301_120000.mp4"
FRONT = "front/20260301_235930.mp4"


@pytest.fixture
def verdicts(capsys, root):
    """Run ``wsvad verdicts`` on the root."""
    return functools.partial(run_here, capsys, "verdicts", "--root", root, "--json")


def mentions(root: Path, *words: str) -> list[str]:
    """Return the objects below a root whose content or name contains any of these words."""
    return [name for name, text in everything(root).items() if any(word in name + text for word in words)]


def event_of(shown: dict[str, Any], video_id: str) -> list[dict[str, Any]]:
    """Return the events of a video on a page."""
    return [event for event in shown["events"] if event["video_id"] == video_id]


def test_from_page_to_manifest(review, verdicts, tmp_path):
    """Imports are idempotent; precision; one label per video; test videos are excluded and reported."""
    review("--no-media")
    shown = document(tmp_path / "page")
    (yard,), front = event_of(shown, YARD), event_of(shown, FRONT)
    records = [of_event(shown, yard, "true"), *(of_event(shown, event, "false") for event in front)]
    file = write_file(tmp_path / "verdicts.json", records)
    code, summary = verdicts("--import", file)
    assert (code, summary["imported"], summary["judged"], summary["outcomes"]) == (0, 3, 3, {"false": 2, "true": 1})
    assert summary["precision"]["value"] == pytest.approx(1 / 3)
    assert summary["recall"]["reason"].startswith("no control span was judged")
    before = digests(tmp_path / "root")
    code, summary = verdicts("--import", file, "--import", file)
    assert (code, summary["imported"], summary["known"]) == (0, 0, 6)
    assert digests(tmp_path / "root") == before

    out, splits = tmp_path / "next.csv", tmp_path / "splits.csv"
    assert verdicts("--out", str(out))[0] == 2, "without the splits nothing is written"
    splits.write_text("uri,video_id,split\nother/x.mp4,x,\n")
    assert verdicts("--out", str(out), "--manifest", str(splits))[0] == 2
    assert not out.exists()
    splits.write_text(f"uri,video_id,split\nother/x.mp4,x,train\n{YARD},{YARD},test\n")
    code, summary = verdicts("--out", str(out), "--manifest", str(splits))
    assert (code, summary["training"], summary["left_out"]) == (0, 1, {YARD: "it is in the test split"})
    (record,) = read_records(str(out))
    assert (record.video_id, record.label, record.split) == (FRONT, 0, "train")
    place = tmp_path / "archive" / YARD
    splits.write_text(f"uri,video_id,split\n{place},another-name,val\nother/x.mp4,x,train\n")
    assert verdicts("--out", str(out), "--manifest", str(splits))[1]["left_out"] == {YARD: "it is in the val split"}
    splits.write_text(f"uri,video_id,split\narchive/./{YARD},another-name,test\nother/x.mp4,x,train\n")
    assert verdicts("--out", str(out), "--manifest", str(splits))[1]["left_out"] == {YARD: "it is in the test split"}
    splits.write_text("uri,video_id,split\nother/x.mp4,x,test\n")
    before = splits.read_bytes()
    assert verdicts("--out", str(tmp_path / "." / "splits.csv"), "--manifest", str(splits))[0] == 2
    assert splits.read_bytes() == before
    verdicts("--out", str(out), "--manifest", str(splits))
    assert {r.video_id: r.label for r in read_records(str(out))} == {FRONT: 0, YARD: 1}


def test_controls_and_missed_spans(review, verdicts, tmp_path):
    """Control spans give recall; a marked span makes its video anomalous."""
    review("--no-media", "--control", "6")
    shown = document(tmp_path / "page")
    controls = [e for e in shown["events"] if e["kind"] == "control"]
    records = [of_event(shown, e, "true" if e["kind"] == "event" else "false") for e in shown["events"]]
    door = next(c for c in controls if c["video_id"].startswith("door"))
    records.append(of_event(shown, {**door, "kind": "missed", "id": None, "start_s": 3.0, "end_s": 4.0}, "missed"))
    code, summary = verdicts("--import", write_file(tmp_path / "v.json", records))
    assert (code, summary["missed"], summary["recall"]["controls"]) == (0, 1, len(controls))
    assert (summary["recall"]["value"], summary["recall"]["missed"]) == (1.0, 0.0)
    assert summary["recall"]["low"] < 0.9
    (tmp_path / "splits.csv").write_text("uri,video_id,split\nother/x.mp4,x,test\n")
    verdicts("--out", str(tmp_path / "next.parquet"), "--manifest", str(tmp_path / "splits.csv"))
    assert {r.video_id: r.label for r in read_records(str(tmp_path / "next.parquet"))} == {
        FRONT: 1,
        YARD: 1,
        door["video_id"]: 1,
    }


def test_invalid_files_are_refused_first(verdicts, tmp_path, caplog):
    """A missing file, another file, one invalid record among valid ones: nothing is done."""
    before = digests(tmp_path / "root")
    (tmp_path / "x.json").write_text("{}")
    for file in (tmp_path / "absent.json", tmp_path / "x.json"):
        assert verdicts("--import", str(file))[0] == 2
    plain = {**verdict().to_dict(), "verdict": "perhaps"}
    (tmp_path / "x.json").write_text(json.dumps({"kind": "wsvad-verdicts", "verdicts": [verdict().to_dict(), plain]}))
    assert verdicts("--import", str(tmp_path / "x.json"))[0] == 2
    assert "record 2" in caplog.text
    assert digests(tmp_path / "root") == before


@pytest.mark.parametrize("name", ["", " ann", "x" * 101, "a\x1b[31m", "\udcff"])
def test_invalid_reviewer_is_refused(verdicts, tmp_path, name):
    """Otherwise the stored records could not be read."""
    before = digests(tmp_path / "root")
    file = write_file(tmp_path / "v.json", [verdict()])
    assert verdicts("--import", file, "--reviewer", name)[0] == 2
    assert digests(tmp_path / "root") == before


def test_options_without_effect_are_refused(verdicts, tmp_path):
    """A reviewer without a file, splits without an output manifest."""
    assert verdicts("--reviewer", "ann")[0] == 2
    assert verdicts("--manifest", str(tmp_path / "splits.csv"))[0] == 2


def test_damaged_record_is_reported(verdicts, root, tmp_path):
    """Exit code 5 and the name of the record; the other records count."""
    file = write_file(tmp_path / "v.json", [verdict(), verdict("false", event_id="1" * 16)])
    assert verdicts("--import", file)[0] == 0
    path = next((tmp_path / "root" / "verdicts").iterdir())
    path.write_bytes(path.read_bytes()[:-20])
    code, summary = verdicts()
    assert (code, summary["verdicts"], len(summary["damaged"])) == (5, 1, 1)
    assert path.name in summary["damaged"][0]


def test_purge_of_a_reviewed_video(capsys, review, verdicts, root, tmp_path):
    """Verdicts, pictures and pages of the root are deleted, others are kept; late records are refused."""
    page = tmp_path / "root" / "review" / "pages" / "today"
    assert review("--out", str(page))[0] == 0
    shown = document(page)
    (yard,), front = event_of(shown, YARD), event_of(shown, FRONT)
    records = [of_event(shown, yard, "true"), *(of_event(shown, event, "false") for event in front)]
    file = write_file(tmp_path / "verdicts.json", records)
    assert verdicts("--import", file)[0] == 0
    content = content_id(Path(root), YARD)
    assert mentions(Path(root), YARD, content, yard["id"])
    folder = Path(yard["strip"]["src"]).parent.name

    purge = functools.partial(run_here, capsys, "purge", "--root", root, "--json", "--force", "--apply")
    assert purge("--video", YARD)[0] == 0
    assert mentions(Path(root), YARD, content, yard["id"], folder) == []
    kept = [name for name in everything(Path(root)) if name.startswith(("verdicts/", "review/"))]
    assert len([name for name in kept if name.startswith("verdicts/")]) == 2
    assert len([name for name in kept if name.startswith("review/")]) == 2 * 6
    code, summary = verdicts("--import", file)
    assert (code, summary["known"], list(summary["refused"].values())) == (
        5, 2, ["the video of this verdict was purged; nothing was changed"],
    )  # fmt: skip
    assert mentions(Path(root), YARD, content) == []
    code, again = review("--out", str(page))
    assert (code, again["shown"], again["pictures_now"]) == (0, 2, 0)


def test_legal_hold_keeps_verdicts(capsys, review, night, verdicts, root, tmp_path):
    """A purge by age keeps verdicts and pictures of a camera under legal hold."""
    review("--out", str(tmp_path / "root" / "review" / "pages" / "x"))
    shown = document(tmp_path / "root" / "review" / "pages" / "x")
    records = [of_event(shown, event, "true") for event in shown["events"]]
    verdicts("--import", write_file(tmp_path / "v.json", records))
    with (tmp_path / "cameras.toml").open("a") as file:
        file.write('\n[[camera]]\nname = "yard"\nlegal_hold = true\n')
    assert night()[0] == 0
    code, summary = run_here(capsys, "purge", "--root", root, "--before", "2030-01-01", "--apply", "--force", "--json")
    assert (code, summary["held"]) == (0, 2)
    store = open_store(root)
    assert len(list(store.list("verdicts/"))) == 1
    assert mentions(Path(root), FRONT) == []
    assert [info for info in store.list("review/") if info.key.endswith("clip.webm")]


def test_verdicts_match_events_of_another_model(capsys, review, night, verdicts, root, tmp_path):
    """Events of other settings have other ids; verdicts match by overlap."""
    review("--no-media")
    shown = document(tmp_path / "page")
    records = [of_event(shown, event, "true") for event in shown["events"]]
    verdicts("--import", write_file(tmp_path / "v.json", records))
    assert night("--high", "0.15")[0] == 0
    code, summary = verdicts()
    assert (code, summary["lost"]) == (0, 0)
    assert summary["reattached"] > 0
    assert summary["judged"] == 2, "the two events of one video are one now"
