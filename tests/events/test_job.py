"""``wsvad events`` from a stored scores data set to a stored events data set."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from tests.events.data import CAMERAS, CLIP_S, add_unscored, site, video
from tests.scoring.factories import CONFIG, write_scores
from wsvad.cli import main
from wsvad.columns import EVENTS_SCHEMA
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.events.rows import make_rows
from wsvad.events.table import Counts, decode_events
from wsvad.storage import open_store
from wsvad.work.stored import DamagedUnit


def run(capsys, *words):
    """Return exit code and summary."""
    capsys.readouterr()
    code = main(["events", *words, "--json"])
    output = capsys.readouterr().out
    return code, json.loads(output) if output else {}


def rows_at(folder):
    """Return all rows of the newest snapshot, read as a user would."""
    snapshot = latest_snapshot(open_store(str(folder)))
    return pq.read_table([folder / o.key for o in snapshot.objects]).to_pylist()


def files(folder):
    """Return every file with its bytes, except the run records."""
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and "runs" not in p.parts
    }


def test_scores_become_events(tmp_path, capsys):
    """Across a file border, for two cameras, and without a time; the table contains the scored spans."""
    scores, cameras = site(tmp_path)
    words = ("--scores", scores, "--cameras", cameras, "--out", str(tmp_path / "events"), "--smooth", "0")
    code, summary = run(capsys, *words)
    assert (code, summary["cameras"], summary["videos"], summary["units"], summary["events"]) == (0, 3, 5, 4, 4)
    rows = rows_at(tmp_path / "events")
    found = [
        (r["camera"], str(r["day"]), r["video_id"], round(r["start_s"] / CLIP_S), round(r["end_s"] / CLIP_S))
        for r in rows
        if r["kind"] == "event"
    ]
    assert found == [
        ("gate", "2026-06-01", "gate/20260601T235000.mp4", 900, 938),
        ("gate", "2026-06-02", "gate/20260602T000000.mp4", 300, 330),
        ("yard", "2026-06-02", "yard/20260602T120000.mp4", 10, 40),
        ("loose", "None", "loose/x.mp4", 10, 40),
    ]
    first = next(r for r in rows if r["kind"] == "event" and r["camera"] == "gate")
    assert [p["video_id"] for p in first["parts"]] == ["gate/20260601T235000.mp4", "gate/20260602T000000.mp4"]
    assert (first["x1"], first["y1"], first["x2"], first["y2"]) == pytest.approx((320 / 7, 240 / 7, 960 / 7, 720 / 7))
    assert (first["checkpoint"], first["score"], first["high"]) == ("sha256:test", pytest.approx(0.9), 0.5)
    assert sum(r["clips"] for r in rows if r["kind"] == "scored") == 3 * 938 + 938 + 100
    assert pq.read_schema(next((tmp_path / "events" / "units").rglob("*.parquet"))).names == EVENTS_SCHEMA.names


def test_a_second_run_writes_nothing(tmp_path, capsys):
    """The summary of the second run has the same counts. A dry run before the first changes nothing."""
    scores, cameras = site(tmp_path)
    words = ("--scores", scores, "--cameras", cameras, "--out", str(tmp_path / "events"))
    code, summary = run(capsys, *words, "--dry-run")
    assert (code, summary["units_to_do"], summary["events"], summary["snapshot"]) == (0, 4, None, None)
    assert not (tmp_path / "events").exists()
    _, first = run(capsys, *words)
    before = files(tmp_path / "events"), sorted((tmp_path / "events" / "runs").iterdir())
    code, second = run(capsys, *words)
    assert (code, second["units_to_do"]) == (0, 0)
    assert before == (files(tmp_path / "events"), sorted((tmp_path / "events" / "runs").iterdir()))
    same = ("events", "scored_hours", "not_scored_hours", "not_scored_spans", "snapshot", "units", "notes")
    assert [second[key] for key in same] == [first[key] for key in same]


def test_a_new_file_near_midnight_changes_two_days(tmp_path, capsys):
    """A new file at noon changes one day. The result equals that of a single run over everything."""
    scores, cameras = site(tmp_path)
    words = ("--scores", scores, "--cameras", cameras)
    run(capsys, *words, "--out", str(tmp_path / "events"))
    write_scores(tmp_path / "scores", {"gate/20260602T001010.mp4": video(100, (0, 50))})
    assert run(capsys, *words, "--out", str(tmp_path / "events"))[1]["units_to_do"] == 2
    write_scores(tmp_path / "scores", {"gate/20260602T140000.mp4": video(100, (0, 50))})
    assert run(capsys, *words, "--out", str(tmp_path / "events"))[1]["units_to_do"] == 1
    run(capsys, *words, "--out", str(tmp_path / "fresh"))
    assert rows_at(tmp_path / "events") == rows_at(tmp_path / "fresh")
    assert main(["verify", "--out", str(tmp_path / "events")]) == 0


def test_a_killed_run_resumes(tmp_path, capsys, monkeypatch):
    """Stored units are reused, and the bytes equal those of an uninterrupted run."""
    scores, cameras = site(tmp_path)
    words = ("--scores", scores, "--cameras", cameras)
    made = []

    def stops(*given):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(given)
        return make_rows(*given)

    monkeypatch.setattr("wsvad.events.job.THREADS", 1)
    monkeypatch.setattr("wsvad.events.job.make_rows", stops)
    assert main(["events", *words, "--out", str(tmp_path / "events")]) == 130
    assert not list((tmp_path / "events").glob("snapshots/*"))
    monkeypatch.undo()
    code, summary = run(capsys, *words, "--out", str(tmp_path / "events"))
    assert (code, summary["units_done_before"], summary["units_to_do"], summary["events"]) == (0, 2, 2, 4)
    run(capsys, *words, "--out", str(tmp_path / "whole"))
    whole, again = files(tmp_path / "whole"), files(tmp_path / "events")
    assert {k: v for k, v in whole.items() if "units" in k} == {k: v for k, v in again.items() if "units" in k}


def test_without_a_cameras_file_folders_are_cameras(tmp_path, capsys):
    """One unit per video with offsets only, and no configuration."""
    scores, _ = site(tmp_path)
    code, summary = run(capsys, "--scores", scores, "--out", str(tmp_path / "events"))
    counts = (summary["cameras"], summary["units"], summary["videos_without_time"], summary["notes"])
    assert (code, *counts) == (0, 3, 5, 5, {})
    assert all(r["start_utc"] is None and r["day"] is None for r in rows_at(tmp_path / "events"))


def test_unscored_footage_is_in_the_table(tmp_path, capsys):
    """Failed videos of a camera; a day without any scores has a unit, too."""
    scores, cameras = site(tmp_path)
    add_unscored(scores, {"gate/20260602T130000.mp4": {"duration_s": 60.0}, "gate/20260701T000000.mp4": {}})
    words = ("--scores", scores, "--cameras", cameras, "--out", str(tmp_path / "events"))
    code, summary = run(capsys, *words)
    assert (code, summary["videos_not_scored"], summary["not_scored_spans"]) == (0, 2, 2)
    assert summary["not_scored_hours"] == pytest.approx(60 / 3600, abs=1e-4)
    absent = [r for r in rows_at(tmp_path / "events") if r["kind"] == "not_scored"]
    assert [(str(r["day"]), r["end_s"], r["reason"], r["message"]) for r in absent] == [
        ("2026-06-02", 60.0, "no_video_stream", "there is no picture in it"),
        ("2026-07-01", None, "no_video_stream", "there is no picture in it"),
    ]
    assert run(capsys, *words)[1]["units_to_do"] == 0


def test_a_duration_missing_from_the_tables_is_taken_from_the_scores(tmp_path, capsys):
    """No day is lost: 200 clips that begin before midnight give two units."""
    scores = write_scores(tmp_path / "scores", {"gate/20260601T235900.mp4": video(200, (100, 150))})
    store = open_store(scores)
    snapshot = latest_snapshot(store)
    rows = [row | {"duration_s": None, "fps": None} for row in snapshot.videos]
    publish(store, snapshot.fingerprint, snapshot.config, snapshot.objects, rows, run_id="t", created_utc="",
            replaced_videos=frozenset(row["video_id"] for row in rows))  # fmt: skip
    (tmp_path / "cameras.toml").write_text(CAMERAS)
    words = ("--scores", scores, "--cameras", str(tmp_path / "cameras.toml"), "--out", str(tmp_path / "events"))
    assert run(capsys, *words)[1]["units"] == 2
    assert [(r["kind"], str(r["day"])) for r in rows_at(tmp_path / "events")] == [
        ("scored", "2026-06-01"),
        ("event", "2026-06-02"),
        ("scored", "2026-06-02"),
    ]


def test_events_of_an_untrained_network_give_a_warning(tmp_path, capsys, caplog):
    """In the log and in the summary; those of a trained network do not."""
    for weights, expected in (("random:0:x", True), ("sha256:0", False)):
        config = replace(CONFIG, features=CONFIG.features | {"weights": weights})
        scores = write_scores(tmp_path / weights, {"a.mp4": video(50, (10, 40))}, config=config)
        caplog.clear()
        _, summary = run(capsys, "--scores", scores, "--out", f"{scores}-events")
        assert ("UNTRAINED NETWORK" in summary["banner"]) == ("UNTRAINED NETWORK" in caplog.text) == expected


def test_units_without_footage_are_removed(tmp_path, capsys):
    """Days of videos that another cameras file assigns elsewhere disappear from the snapshot."""
    scores, cameras = site(tmp_path)
    words = ("--scores", scores, "--out", str(tmp_path / "events"))
    run(capsys, *words, "--cameras", cameras)
    code, summary = run(capsys, *words)
    assert (code, summary["units"], summary["units_gone"]) == (0, 5, 3)
    assert {r["day"] for r in rows_at(tmp_path / "events")} == {None}


def test_thresholds_and_masks_of_a_camera(tmp_path, capsys, caplog):
    """From the cameras file. If the model has no scores of cuboids, a banner says that masks have no effect."""
    scores, _ = site(tmp_path)
    (tmp_path / "own.toml").write_text(
        f"{CAMERAS}\n[[camera]]\nname = 'gate'\nhigh = 0.95\n[[camera]]\nname = 'yard'\nmasks = [[0, 0, 0.5, 0.5]]\n"
    )
    words = ("--cameras", str(tmp_path / "own.toml"))
    code, summary = run(capsys, "--scores", scores, "--out", str(tmp_path / "events"), *words)
    assert (code, summary["events"]) == (0, 1)
    assert "MASKS" not in summary["banner"]
    plain = write_scores(tmp_path / "plain", {"yard/20260602T120000.mp4": (video(50, (10, 40))[0], None)})
    code, summary = run(capsys, "--scores", plain, "--out", str(tmp_path / "plain-events"), *words)
    assert (code, summary["events"]) == (0, 1)
    assert "THE MASKS OF 1 CAMERAS HAVE NO EFFECT: the model gives no scores of cuboids" in summary["banner"]
    assert "HAVE NO EFFECT" in caplog.text
    (event,) = [r for r in rows_at(tmp_path / "plain-events") if r["kind"] == "event"]
    assert (event["boxes"], event["x1"], event["cuboid_scores"]) == (None, None, None)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--high", "1.5"), 2, "--high must be in"),
        (("--high", "0.5", "--low", "0.6"), 2, "--low must be between"),
        (("--gap", "601"), 2, "--gap must be between"),
        (("--cameras", "{}/none.toml"), 2, "does not exist"),
        (("--cameras", "{}/wrong.toml"), 2, "did you mean 'pattern'"),
        (("--scores", "{}/none"), 2, "does not exist"),
        (("--out", "{}/scores"), 5, "holds 'scores', not 'events'"),
        (("--higg", "1"), 2, "--high"),
    ],
)
def test_invalid_input_is_rejected_before_any_work(tmp_path, capsys, caplog, more, code, message):
    """With its exit code; nothing is written."""
    scores, cameras = site(tmp_path)
    (tmp_path / "wrong.toml").write_text("[[camera]]\npatern = 'x'\nname = 'a'")
    words = ["events", "--scores", scores, "--cameras", cameras, "--out", str(tmp_path / "events")]
    try:
        ended = main([*words, *(word.format(tmp_path) for word in more)])
    except SystemExit as stopped:
        ended = stopped.code
    assert ended == code
    assert message in caplog.text + capsys.readouterr().err
    assert not (tmp_path / "events").exists()


def test_other_settings_are_a_conflict(tmp_path, capsys, caplog):
    """Exit code 5, nothing changed; options of a file count as well."""
    scores, cameras = site(tmp_path)
    words = ("--scores", scores, "--cameras", cameras, "--out", str(tmp_path / "events"))
    run(capsys, *words)
    before = files(tmp_path / "events")
    (tmp_path / "options.toml").write_text("gap = 3\nmin-length = 0.5\n")
    assert run(capsys, *words, "--config", str(tmp_path / "options.toml"))[0] == 5
    assert "settings.gap_s: there 10.0, here 3.0" in caplog.text
    assert files(tmp_path / "events") == before


def test_text_formats_contain_the_events(tmp_path, capsys):
    """CSV, JSON, a calendar, and subtitles of every scored video, also of those without events."""
    scores, cameras = site(tmp_path)
    words = ("--scores", scores, "--cameras", cameras, "--out", str(tmp_path / "events"), "--text", str(tmp_path / "t"))
    assert run(capsys, *words)[1]["text"] == str(tmp_path / "t")
    assert len((tmp_path / "t" / "events.csv").read_text().splitlines()) == 1 + len(rows_at(tmp_path / "events"))
    assert (tmp_path / "t" / "events.ics").read_text().count("BEGIN:VEVENT") == 3
    assert len(json.loads((tmp_path / "t" / "events.json").read_text())["rows"]) == len(rows_at(tmp_path / "events"))
    cues = sorted((p.name.partition("~")[0], p.read_text().count("-->")) for p in (tmp_path / "t" / "vtt").iterdir())
    assert cues == [
        ("20260601T235000.mp4", 1),
        ("20260602T000000.mp4", 2),
        ("20260602T120000.mp4", 0),
        ("20260602T120000.mp4", 1),
        ("x.mp4", 1),
    ]


def test_damage_is_reported_and_repaired(tmp_path, capsys, caplog):
    """Damaged scores end the run with exit code 5; a damaged events unit is found by verify and computed again."""
    scores, cameras = site(tmp_path)
    words = ("--scores", scores, "--cameras", cameras, "--out", str(tmp_path / "events"))
    run(capsys, *words)
    whole = files(tmp_path / "events")
    unit = next((tmp_path / "events" / "units").rglob("*.parquet"))
    data = bytearray(unit.read_bytes())
    data[len(data) // 3] ^= 1
    unit.write_bytes(data)
    with pytest.raises(DamagedUnit):
        decode_events(bytes(data)[:-9])
    assert main(["events", *words, "--text", str(tmp_path / "text")]) == 5
    assert f"units/{unit.parent.name}/{unit.name}" in caplog.text
    assert not any(path.is_file() for path in (tmp_path / "text").rglob("*"))
    assert main(["verify", "--out", str(tmp_path / "events")]) == 5
    assert main(["verify", "--out", str(tmp_path / "events"), "--repair"]) == 4
    assert run(capsys, *words)[0] == 0
    assert main(["verify", "--out", str(tmp_path / "events")]) == 0
    again = files(tmp_path / "events")
    assert {k: v for k, v in whole.items() if "units" in k} == {k: v for k, v in again.items() if "units" in k}
    (tmp_path / "events" / "dataset.json").unlink()
    assert main(["verify", "--out", str(tmp_path / "events"), "--repair"]) == 4
    assert run(capsys, *words)[0] == 0
    stored = next((tmp_path / "scores" / "units").rglob("*.parquet"))
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    assert main(["events", *words[:-1], str(tmp_path / "other")]) == 5
    assert "verify" in caplog.text


def test_counts_round_trip_through_notes():
    """Other notes are not counts."""
    counts = Counts(3, 1.5, 0.25, 2)
    assert Counts.from_notes(counts.notes) == counts
    assert Counts.from_notes(["events: x"]) is None
    assert Counts.from_notes(None) is None


def test_object_storage(tmp_path, capsys, s3_bucket, moto_server, monkeypatch):
    """Scores, cameras, events and text formats in a bucket: the same rows, and nothing to do the second time."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.url)
    root = f"s3://{s3_bucket}/site"
    scores, local = site(tmp_path)
    store = open_store(root)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            store.create(str(path.relative_to(tmp_path)), path.read_bytes())
    words = ("--scores", f"{root}/scores", "--cameras", f"{root}/cameras.toml", "--out", f"{root}/events")
    code, summary = run(capsys, *words, "--text", f"{root}/text")
    assert (code, summary["events"], summary["units_to_do"]) == (0, 4, 4)
    assert run(capsys, *words)[1]["units_to_do"] == 0
    run(capsys, "--scores", scores, "--cameras", local, "--out", str(tmp_path / "events"))
    here = {k: v for k, v in files(tmp_path / "events").items() if k.startswith("units/")}
    assert here == {info.key: store.read(f"events/{info.key}") for info in open_store(f"{root}/events").list("units/")}
    assert store.read("text/events.csv").count(b"\r\n") > 4


def test_hostile_names_stay_below_the_root(tmp_path, capsys):
    """Ids that a manifest may contain, folders that look like formulas: data in the table, never a path."""
    names = ["=cmd()/a.mp4", "-1+1/b.mp4", "@x/c.mp4", "x/" + "y" * 190, "漢字/ü.mp4", "2026-06-02/gate", "a;b,c/d.mp4"]
    scores, _ = site(tmp_path, **{name: video(50, (10, 40)) for name in names})
    code, summary = run(capsys, "--scores", scores, "--out", str(tmp_path / "e"), "--text", str(tmp_path / "t"))
    assert (code, summary["units"]) == (0, 5 + len(names))
    assert set(names) <= {r["video_id"] for r in rows_at(tmp_path / "e")}
    text = (tmp_path / "t" / "events.csv").read_text()
    assert ",'=cmd()," in text
    assert not [c for line in text.splitlines() for c in line.split(",") if c.startswith(("=", "+", "-", "@"))]
    assert {p.name for p in tmp_path.iterdir()} == {"scores", "cameras.toml", "e", "t"}
