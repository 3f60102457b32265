"""Drift over several nights: references, which scores are read, and the reported results."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from prometheus_client import generate_latest

from tests.nightly.drifting import CLIPS, MODEL, Nights, day, drawn
from wsvad.errors import DamagedError
from wsvad.metrics.drift import LARGE, compare, make_reference
from wsvad.nightly.drift_results import Drift
from wsvad.nightly.exposition import registry_of
from wsvad.nightly.metrics import metrics_of
from wsvad.nightly.references import delete_other_references, read_reference, reference_key
from wsvad.nightly.summary import RescoreSummary
from wsvad.rates import poisson_band
from wsvad.scores.reading import ScoreSet

DAYS = [f"2026-03-{n:02d}" for n in range(1, 15)]
WEEK = DAYS[:7]


def eight_days(camera):
    """Footage that starts seven days before the newest 24 hours, which end at 23:01:16.8."""
    return [last_hour(day(camera, "2026-02-28")), *(day(camera, date) for date in DAYS[:8])]


def last_hour(videos):
    """Return the last video of a day."""
    name = max(videos)
    return {name: videos[name]}


@pytest.fixture
def nights(tmp_path):
    """A nightly job without footage."""
    return Nights(tmp_path)


@pytest.fixture
def loads(monkeypatch):
    """Record the ids of videos whose scores are read for drift."""
    read: list[str] = []
    load = ScoreSet.load

    def counted(self, video_id):
        read.append(video_id)
        return load(self, video_id)

    monkeypatch.setattr(ScoreSet, "load", counted)
    return read


def hours_of(videos):
    """Return the hour of the day of each clip, from the video names."""
    return np.concatenate([np.full(len(scores), int(name[-10:-8])) for name, scores in videos.items()])


def test_reference_is_created_after_seven_days(nights):
    """No reference after six days; then one of the seven days before the newest day, which later nights keep."""
    nights.add(last_hour(day("gate", "2026-02-28")), *(day("gate", date) for date in WEEK))
    found = nights.night()["gate"]
    assert (found.scores.reference, found.scores.psi, found.judged) == (None, None, False)
    assert found.scores.reason == "no reference yet"

    nights.add(day("gate", DAYS[7]))
    found = nights.night()["gate"]
    kept = read_reference(nights.root, MODEL, "gate", "utc")
    assert found.scores.reference == kept.key
    # the newest 24 hours end with the last file, 76.8 s after 23:00
    assert found.scores.until_utc == "2026-03-08T23:01:16.800+00:00"
    assert (kept.from_utc, kept.until_utc) == ("2026-02-28T23:01:16.800+00:00", found.scores.from_utc)
    ours = [v for date in WEEK for v in day("gate", date).items()]
    raw = dict(ours)
    expected = make_reference(np.concatenate(list(raw.values())), hours_of(raw), 24)
    assert kept.reference.edges.tolist() == expected.edges.tolist()
    assert kept.reference.counts_HB.tolist() == expected.counts_HB.tolist()
    assert (found.scores.clips, found.scores.compared, found.scores.drifted) == (24 * CLIPS, 24 * CLIPS, False)

    new = day("gate", DAYS[8], shift=0.1)
    nights.add(new)
    found = nights.night()["gate"]
    slow = compare(expected, np.concatenate(list(new.values())), hours_of(new))
    assert found.scores.psi == pytest.approx(slow.psi, abs=1e-5)
    assert found.scores.psi > LARGE
    assert found.scores.wasserstein == pytest.approx(0.1, abs=0.01)
    assert (found.scores.drifted, found.judged) == (True, True)
    assert read_reference(nights.root, MODEL, "gate", "utc") == kept


def test_rerun_is_identical_and_reads_only_new_scores(nights, loads):
    """A repeated night gives the same result; scores of cameras without new footage are not read."""
    for camera in ("gate", "yard"):
        nights.add(*eight_days(camera))
    first = nights.find()
    loads.clear()
    assert nights.find() == first, "killed before it published, after it froze"
    assert {name[:13] for name in loads} == {f"{camera}/20260308" for camera in ("gate", "yard")}
    nights.night()
    loads.clear()
    nights.add(day("gate", DAYS[8]))
    second = nights.night()
    assert second["yard"] == first[0].cameras[1]
    drift = [name for name in loads if "yard" in name]
    assert drift == [], "neither for its events nor for drift"
    loads.clear()
    assert {c.camera: c for c in nights.find()[0].cameras} == second
    assert loads == []
    # computing everything again gives the same, because results do not depend on reused ones
    nothing = replace(nights.find()[0], cameras=())
    assert Drift.from_report({}, MODEL) == nothing
    nights.root.delete("current/00000001.json")
    nights.root.delete("current/00000002.json")
    assert {c.camera: c for c in nights.find()[0].cameras} == second


def test_events_against_previous_weeks(nights):
    """One event a day for 28 days and on the newest two, then a burst; older events do not count."""
    dates = [f"{datetime(2026, 2, 1) + timedelta(days=n):%Y-%m-%d}" for n in range(31)]
    nights.add(day("gate", "2026-01-31", hot=2, hours=(0, 1, 12)))  # one day too old
    nights.add(*(day("gate", date, hot=1, hours=(0, 1, 12)) for date in dates[:30]))
    found = nights.night()["gate"].events
    seconds = 3 * CLIPS * 0.64
    assert (found.events, found.scored_s) == (2, pytest.approx(2 * seconds, abs=0.01))
    assert (found.events_before, found.scored_s_before) == (28, pytest.approx(28 * seconds, abs=0.1))
    assert (found.low, found.high, found.unusual) == (*poisson_band(28, 28.0, 2.0, 0.99), False)
    nights.add({name: burst(scores) for name, scores in day("gate", dates[30], hours=(0, 1, 12)).items()})
    found = nights.night()["gate"].events
    assert (found.events, found.events_before, found.unusual) == (1 + 3 * 5, 28, True)
    nights.add({"yard/20260302T000000.mp4": drawn("x")})
    first = nights.night()["yard"].events
    assert (first.unusual, first.low, first.reason) == (False, None, "no footage before it")


def burst(scores):
    """Add five events that are too far apart to be merged."""
    scores = scores.copy()
    scores[np.arange(CLIPS) % 24 < 6] = 0.9
    return scores


def test_events_are_counted_on_all_days_of_the_window(nights):
    """A window that ends after midnight counts the whole previous day."""
    nights.add(*(day("gate", date) for date in DAYS[:3]))
    nights.add({name: scores for name, scores in day("gate", DAYS[3], hot=1).items() if "T00" in name})
    found = nights.night()["gate"]
    assert found.scores.from_utc == "2026-03-03T00:01:16.800+00:00"
    assert (found.events.events, found.events.events_before) == (1, 0)
    assert found.events.scored_s == pytest.approx(25 * CLIPS * 0.64, abs=0.01)
    assert found.events.scored_s_before == pytest.approx(48 * CLIPS * 0.64, abs=0.01)


def test_cameras_without_recording_times(nights):
    """New footage is compared with earlier footage; without new footage the result is repeated; a loss is reported."""
    old = {f"loose/{n}.mp4": drawn(f"{n}", count=600) for n in range(10)}
    nights.add(old)
    found = nights.night()["loose"]
    assert (found.clock, found.scores.reason, found.events.reason) == (
        "offsets",
        "no reference yet",
        "no footage before it",
    )
    new = drawn("new", shift=0.2, count=1200)
    nights.add({"loose/new.mp4": new})
    found = nights.night()["loose"]
    chosen = [scores for _, scores in sorted(old.items(), reverse=True)][:9]  # 5400 clips
    kept = read_reference(nights.root, MODEL, "loose", "offsets")
    expected = make_reference(np.concatenate(chosen), np.zeros(5400, int), 1)
    assert kept.reference.counts_HB.tolist() == expected.counts_HB.tolist()
    assert found.scores.psi == pytest.approx(compare(expected, new, np.zeros(1200, int)).psi, abs=1e-5)
    assert (found.scores.drifted, found.scores.clips, found.scores.from_utc) == (True, 1200, None)
    assert (found.events.low, found.events.events) == (0, 0)
    nights.add(day("gate", DAYS[0]))
    assert nights.night()["loose"] == found
    nights.lose("loose/new.mp4")
    after = nights.night()["loose"]
    assert (after.scores.reason, after.scores.drifted, after.events.reason) == (
        "no new footage",
        False,
        "no new footage",
    )


def test_too_little_footage_is_not_drift(nights):
    """A window with few clips or hours has an index but no flag; no reference is created from few clips."""
    nights.add(*eight_days("gate"))
    nights.night()
    few = {name: scores for name, scores in day("gate", DAYS[10], shift=0.3).items() if "T0" in name}
    nights.add({name: scores for name, scores in few.items() if int(name[-10:-8]) < 8})
    found = nights.night()["gate"].scores
    assert (found.clips, found.drifted) == (8 * CLIPS, False)
    assert found.psi > LARGE
    assert found.reason == "960 clips of 8 hours of the day can be compared, fewer than 1000 of 6"
    long = [drawn(f"{hour}", shift=0.3, count=400) for hour in range(5)]
    nights.add({f"gate/20260313T0{hour}0000.mp4": scores for hour, scores in enumerate(long)})
    found = nights.night()["gate"].scores
    assert (found.clips, found.drifted, found.reason[:27]) == (2000, False, "2000 clips of 5 hours of th")
    nights.add({"gate/20260313T050000.mp4": drawn("5", shift=0.3)})
    assert nights.night()["gate"].scores.drifted
    thin = {name: scores[:20] for date in DAYS[:9] for name, scores in day("yard", date).items()}
    nights.add(thin)
    assert nights.night()["yard"].scores.reason == "no reference yet"


def test_purge_creates_no_reference(nights):
    """A purge compares what is left; the next night creates the reference."""
    nights.add(*eight_days("gate"))
    (found,) = nights.find(create_references=False)[0].cameras
    assert found.scores.reason == "no reference yet"
    assert not list(nights.root.list("reference/"))


def test_references_contain_no_video_ids(nights, tmp_path):
    """Neither the object nor its key names a video; references of removed cameras are deleted for all models."""
    for camera in ("gate", "yard"):
        nights.add(*eight_days(camera))
    nights.night()
    keys = {camera: reference_key(MODEL, camera, "utc") for camera in ("gate", "yard")}
    assert {info.key for info in nights.root.list("reference/")} == set(keys.values())
    for camera, key in keys.items():
        assert camera not in key
        assert b".mp4" not in nights.root.read(key)
        assert b"20260301T" not in nights.root.read(key)
    nights.root.create(reference_key("sha256:other", "yard", "offsets"), b"anything")
    assert delete_other_references(nights.root, ["gate"]) == 2
    assert [info.key for info in nights.root.list("reference/")] == [keys["gate"]]


def test_damaged_reference_is_reported(nights):
    """A truncated reference and one of another camera are reported; after deletion a new one is created."""
    for camera in ("gate", "yard"):
        nights.add(*eight_days(camera))
    nights.find()
    gate, yard = (reference_key(MODEL, camera, "utc") for camera in ("gate", "yard"))
    whole = nights.root.read(gate)
    for wrong in (whole[:-9], whole.replace(b"utc", b"UTC"), nights.root.read(yard)):
        nights.root.replace(gate, wrong)
        with pytest.raises(DamagedError, match="delete it"):
            nights.find()
    nights.root.delete(gate)
    nights.find()
    assert nights.root.read(gate) == whole


def test_unusable_drift_of_earlier_reports_is_ignored():
    """Reports without drift, of another model, or in an unknown format."""
    for drift in (None, {}, {"model": MODEL, "cameras": [{"camera": 1}]}, {"model": "sha256:b", "cameras": []}):
        assert Drift.from_report({"drift": drift}, MODEL) == Drift(MODEL, ())


def summary(drift):
    """Return the summary of a night with this drift."""
    counts = dict.fromkeys(("listed", "scored", "short", "failed", "waiting", "gone", "purged"), 0)
    return RescoreSummary("a", "r", MODEL, models=1, cameras=1, footage_s=0, missing_s=0, drift=drift, **counts)


def entry(camera, **more):
    """Return the summary values of a camera."""
    usual = {"psi": 0.01, "wasserstein": 0.002, "drifted": False, "judged": True}
    usual |= {"moved": False, "covered": None, "view_changed_utc": None}
    return {"camera": camera} | usual | {"events": 3, "events_low": 0, "events_high": 9, "unusual": False} | more


def drift_line(drift):
    """Return the drift line of the table."""
    return dict(summary(drift).lines())["drift"]


def test_summary_lists_cameras():
    """Drifted cameras, unusual counts, number of unknown cameras; names cannot forge a line; the exit code is 0."""
    assert drift_line([entry("gate")]) == "none"
    assert "unknown" in drift_line([])
    assert drift_line([entry("gate", moved=True)]) == "camera moved: gate"
    assert (
        drift_line([entry("gate", covered=True), entry("yard", moved=True)])
        == "camera moved: yard; camera covered: gate"
    )
    some = [entry("gate", drifted=True), entry("a\nb\x1b[31m", drifted=True, unusual=True), entry("yard", judged=False)]
    assert drift_line(some) == (
        "scores drifted: gate, a\\nb\\x1b[31m; unusual number of events: a\\nb\\x1b[31m; "
        "unknown for 1 of 3 cameras (too little footage)"
    )
    assert summary(some).exit_code == 0
    assert drift_line([entry(f"c{n}", drifted=True) for n in range(10)]).endswith("c7 and 2 more")


def test_metrics_of_each_camera():
    """An unknown value has no sample; a metric unknown for all cameras has one NaN sample without a camera,
    because a Pushgateway keeps values that are not sent, including an alert for a moved camera.
    """
    unknown = dict.fromkeys(("psi", "wasserstein", "events_low", "events_high"))
    figures = {
        f.name: {labels["camera"]: v for labels, v in f.samples}
        for f in metrics_of(summary([entry("gate", drifted=True), entry("yard", judged=False, **unknown)]), 0.0)
        if f.name.startswith("camera_")
    }
    assert figures["camera_psi"] == {"gate": 0.01}
    assert figures["camera_drifted"] == {"gate": 1, "yard": 0}
    assert figures["camera_judged"] == {"gate": 1, "yard": 0}
    assert figures["camera_events_high"] == {"gate": 9}
    assert figures["camera_moved"] == {"gate": 0, "yard": 0}
    assert list(figures["camera_covered"]) == [""]
    assert math.isnan(figures["camera_covered"][""])
    for drift in ([entry("yard", judged=False, **unknown)], []):
        text = generate_latest(registry_of(metrics_of(summary(drift), 0.0))).decode()
        assert 'wsvad_rescore_camera_psi{camera=""} NaN' in text
        assert text.count("TYPE wsvad_rescore_camera_") == len(figures)
