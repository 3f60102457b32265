"""Units of event detection: the videos that affect each day, and rows that equal those of the whole camera."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.events.data import digest, video_scores
from wsvad.cameras.config import Camera, Mask
from wsvad.cameras.placing import RecordedVideo, place_all
from wsvad.cameras.reading import parse_cameras
from wsvad.errors import UsageError
from wsvad.events.config import EventsConfig, EventSettings
from wsvad.events.rows import make_rows
from wsvad.events.sources import Source
from wsvad.events.spans import find_events
from wsvad.events.units import DAY_S, affected_units, missing_units, plan_units, sources_of_day

MIDNIGHT = 1_780_358_400.0
"""2026-06-02, 00:00 UTC."""
PLAIN = EventSettings(high=0.5, low=0.3, gap_s=10, smooth_s=2, min_length_s=1)
FEATURES = {"geometry": "squash", "clips": {"length": 16, "stride": 16, "last": "pad"}}


def config(own=PLAIN):
    """Return the configuration of the data set."""
    return EventsConfig("f" * 64, "sha256:test", FEATURES, own)


def source(video_id, start_s, duration_s, **more):
    """Return a scored video."""
    start_us = None if start_s is None else round(start_s * 1e6)
    fields = {"kind": None, "message": None, "notes": (), "status": "complete", "num_frames": 1600}
    fields |= {"width": 70, "height": 70, "sha256": digest(video_id), "uri": f"file:///{video_id}"}
    return Source(video_id=video_id, content_id=digest(video_id)[:32], start_utc_us=start_us, duration_s=duration_s,
                  **fields | more)  # fmt: skip


def plan(sources, camera=None, own=PLAIN):
    """Return the units of one camera."""
    sources = sorted(sources, key=lambda s: (s.begin_s, s.video_id))
    return plan_units({"cam": sources}, {"cam": camera or Camera(name="cam")}, own, config(own).fingerprint)


@st.composite
def archives(draw):
    """Files of one camera around two midnights, with gaps in and between them: clips of 20 s."""
    start, made = MIDNIGHT + draw(st.sampled_from([-14000, -7210, -1000, -10, 0])), []
    for number in range(draw(st.integers(1, 12))):
        count = draw(st.sampled_from([1, 30, 180, 700, 2000]))
        runs = draw(st.lists(st.tuples(st.integers(1, 250), st.sampled_from([0.1, 0.4, 0.9])), min_size=1, max_size=8))
        scores = np.concatenate([np.full(n, s) for n, s in runs])
        scores = np.resize(scores, count)
        clips = np.arange(count)
        if count > 30 and draw(st.booleans()):
            hole = draw(st.integers(1, count - 12))
            clips = np.delete(clips, np.arange(hole, hole + 10))
        name = f"cam/{number}.mp4"
        made.append((source(name, start, 20.0 * count, num_frames=16 * count),
                     video_scores(name, clips, scores[clips], 20.0)))  # fmt: skip
        start += 20.0 * count + draw(st.sampled_from([0, 5, 200, 9000]))
    return made


@settings(max_examples=60)
@given(archives(), st.sampled_from([PLAIN, replace(PLAIN, gap_s=300, smooth_s=60), replace(PLAIN, min_length_s=600)]))
def test_days_together_equal_the_whole_camera(archive, own):
    """Every event of the whole timeline is in the day in which it starts, once, bit for bit; durations add up."""
    scores = {s.video_id: v for s, v in archive}
    rows = [row for unit in plan([s for s, _ in archive], own=own) for row in make_rows(unit, config(own), scores.get)]
    times = np.concatenate([np.stack((v.start_s, v.end_s), axis=1) + s.begin_s for s, v in archive])
    values = np.concatenate([v.score_T for _, v in archive]).astype(np.float64)
    whole = find_events(times, values, own)
    found = [row for row in rows if row["kind"] == "event"]
    assert [(r["start_utc"].timestamp(), r["end_utc"].timestamp(), r["score"], r["continues"]) for r in found] == [
        (pytest.approx(s.start_s, abs=1e-5), pytest.approx(s.end_s, abs=1e-5), s.score, s.continues) for s in whole
    ]
    assert [r["curve"] for r in found] == [values[s.first : s.last].tolist() for s in whole]
    assert len({r["event_id"] for r in found}) == len(found)
    for row in found:
        assert row["day"] == row["start_utc"].date()
        assert row["parts"][0]["start_s"] <= row["parts"][0]["end_s"]
    for kind in ("scored", "not_scored"):
        assert all(r["end_s"] > r["start_s"] and r["end_utc"] > r["start_utc"] for r in rows if r["kind"] == kind)
    clips = sum(row["clips"] for row in rows if row["kind"] == "scored")
    assert clips == len(values)
    covered = sorted((r["start_utc"], r["end_utc"]) for r in rows if r["kind"] != "event")
    assert all(one[1] <= other[0] + timedelta(seconds=20) for one, other in pairwise(covered))
    missing = sum(r["end_s"] - r["start_s"] for r in rows if r["kind"] == "not_scored")
    assert missing == pytest.approx(sum(s.duration_s for s, _ in archive) - 20.0 * len(values))


@pytest.mark.parametrize(("before", "after"), [(70, 30), (30, 70), (70, 70), (59, 59), (60, 1), (1, 60), (200, 200)])
def test_long_events_at_midnight_are_split_identically_by_both_days(before, after):
    """``before`` and ``after`` are minutes above ``high`` on both sides of midnight, in files of ten minutes."""
    files, scores = [], {}
    for number in range(-36, 36):
        start = MIDNIGHT + 600 * number
        minutes = np.arange(10 * number, 10 * number + 10)
        hot = (-before <= minutes) & (minutes < after)
        files.append(source(f"{number:+03d}", start, 600.0))
        scores[files[-1].video_id] = video_scores(files[-1].video_id, range(10), np.where(hot, 0.9, 0.1), 60.0)
    units = plan(files)
    found = [r for unit in units for r in make_rows(unit, config(), scores.get) if r["kind"] == "event"]
    start = MIDNIGHT + 60.0 * np.arange(-360, 360)
    values = np.concatenate([scores[f.video_id].score_T for f in files])
    whole = find_events(np.stack((start, start + 60), axis=1), values, PLAIN)
    assert len(units) == 2
    assert [(r["start_utc"].timestamp(), r["end_utc"].timestamp()) for r in found] == [w[2:4] for w in whole]
    assert sum(w.end_s - w.start_s for w in whole) == 60 * (before + after)


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Europe/Berlin", "2026-03-29 01:00"),
        ("Europe/Berlin", "2026-10-25 01:00"),
        ("America/New_York", "2026-03-08 07:00"),
        ("America/New_York", "2026-11-01 06:00"),
        ("Australia/Sydney", "2026-04-04 16:00"),
        ("Australia/Sydney", "2026-10-03 16:00"),
    ],
)
@pytest.mark.parametrize("minutes", [20, 45])
def test_changes_of_daylight_saving_time(zone, change, minutes):
    """Footage without gaps through a clock change, with file names on local time.

    In UTC, scored spans are contiguous and none occurs twice, and an event across the change is a single one.
    """
    moment = datetime.fromisoformat(change).replace(tzinfo=UTC)
    cameras = parse_cameras(
        {"camera": [{"pattern": "{camera}/{year}{month}{day}T{hour}{minute}*.mp4", "time_zone": zone}]}
    )
    files, starts = {}, []
    for number in range(-8, 9):
        start = moment + timedelta(minutes=minutes * number - 10)
        name = f"cam/{start.astimezone(ZoneInfo(zone)):%Y%m%dT%H%M}"
        files[name + "_1" * (name in files)] = start
        starts.append(start)
    placed = place_all([RecordedVideo(f"{name}.mp4", "", 60.0 * minutes) for name in files], cameras)
    sources, scores = [], {}
    for name, start in files.items():
        video_id = f"{name}.mp4"
        at = np.array([start + timedelta(minutes=m) for m in range(minutes)])
        hot = (at >= moment - timedelta(minutes=5)) & (at < moment + timedelta(minutes=5))
        sources.append(source(video_id, placed[video_id].start_utc.timestamp(), 60.0 * minutes))
        scores[video_id] = video_scores(video_id, range(minutes), np.where(hot, 0.9, 0.1), 60.0)
    rows = [row for unit in plan(sources) for row in make_rows(unit, config(), scores.get)]
    spans = sorted((r["start_utc"], r["end_utc"]) for r in rows if r["kind"] == "scored")
    assert (spans[0][0], spans[-1][1]) == (starts[0], starts[-1] + timedelta(minutes=minutes))
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    (event,) = [r for r in rows if r["kind"] == "event"]
    assert (event["start_utc"], event["end_utc"]) == (moment - timedelta(minutes=5), moment + timedelta(minutes=5))


def test_a_day_depends_on_videos_near_its_borders():
    """Within two hours plus what the settings add; a video at noon affects only its own day."""
    reach = PLAIN.reach_s
    files = [
        source("noon", MIDNIGHT + 12 * 3600, 3600),
        source("far", MIDNIGHT - reach - 61, 60),
        source("near", MIDNIGHT - reach - 59, 60),
        source("next", MIDNIGHT + DAY_S + reach - 1, 60),
        source("next far", MIDNIGHT + DAY_S + reach + 1, 60),
    ]
    units = plan(files)
    assert [s.video_id for s in sources_of_day(units, "cam", date(2026, 6, 2))] == ["near", "noon", "next"]
    assert sources_of_day(units, "cam", date(2020, 1, 1)) == ()
    assert [str(u.day) for u in affected_units(units, ["noon"])] == ["2026-06-02"]
    assert [str(u.day) for u in affected_units(units, ["near"])] == ["2026-06-01", "2026-06-02"]


def test_a_day_is_recomputed_if_something_that_affects_it_changes():
    """Other scores, another start, another threshold, a new neighbour near midnight; nothing else."""
    files = [
        source("a", MIDNIGHT + 100, 600),
        source("b", MIDNIGHT + 50_000, 600),
        source("c", MIDNIGHT + DAY_S + 1, 9),
    ]
    done = {unit.unit_id for unit in plan(files)}

    def again(sources, camera=None):
        return [str(unit.day) for unit in missing_units(plan(sources, camera), done)]

    assert again(files) == []
    assert again(reversed(files)) == []
    assert again([replace(files[0], sha256=digest("other")), *files[1:]]) == ["2026-06-02"]
    assert again([files[0], files[1], replace(files[2], sha256=digest("other"))]) == ["2026-06-02", "2026-06-03"]
    assert again([replace(files[0], start_utc_us=files[0].start_utc_us + 1), *files[1:]]) == ["2026-06-02"]
    assert again([*files, source("d", MIDNIGHT + DAY_S + 50_000, 9)]) == ["2026-06-03"]
    assert again(files, Camera(name="cam", budget=3.0, purpose="other")) == []
    assert again(files, Camera(name="cam", high=0.6)) == ["2026-06-02", "2026-06-03"]
    assert again(files, Camera(name="cam", masks=(Mask(0, 0, 0.5, 0.5),))) == ["2026-06-02", "2026-06-03"]


def test_a_video_that_ends_at_midnight_does_not_belong_to_the_next_day():
    """A video that crosses midnight belongs to both days."""
    assert [str(u.day) for u in plan([source("a", MIDNIGHT - 60, 60)])] == ["2026-06-01"]
    assert [str(u.day) for u in plan([source("a", MIDNIGHT - 60, 61)])] == ["2026-06-01", "2026-06-02"]
    assert [str(u.day) for u in plan([source("a", MIDNIGHT, None)])] == ["2026-06-02"]


def test_hostile_names_stay_data():
    """The object's key consists of hex digits; cameras and videos with unusual names have their own units."""
    names = ["../../x", "=cmd()", "a\nb", "2026-06-02/cam", "x" * 5000, "\u202e"]
    sources = {name: [source(f"{name}/v", MIDNIGHT, 60)] for name in names}
    sources["none"] = [source("2026-06-02/cam/v", None, 60)]
    units = plan_units(sources, {n: Camera(name=n) for n in sources}, PLAIN, "f")
    assert len({unit.name for unit in units}) == len({unit.unit_id for unit in units}) == len(names) + 1
    assert all(len(unit.unit_id) == 32 and set(unit.unit_id) <= set("0123456789abcdef") for unit in units)


def test_a_video_without_a_time_has_offsets():
    """It has no day and no UTC times."""
    (unit,) = plan([source("x", None, 40.0)])
    assert (unit.day, unit.begin_s, unit.end_s) == (None, -math.inf, math.inf)
    rows = make_rows(unit, config(), {"x": video_scores("x", range(40), [0.9] * 10 + [0.1] * 30, 1.0)}.get)
    assert [(r["kind"], r["start_s"], r["end_s"], r["start_utc"]) for r in rows] == [
        ("event", 0.0, 10.0, None), ("scored", 0.0, 40.0, None)
    ]  # fmt: skip


def test_unscored_spans_are_reported():
    """A failed video over midnight, a video of unknown length, and gaps at the start, in the middle and at the end."""
    failed = {"sha256": "", "status": "quarantined", "kind": "decoder_crash", "message": "it ends the decoder"}
    files = [
        source("failed", MIDNIGHT - 60, 180.0, **failed),
        source("unknown", MIDNIGHT + 1000, None, num_frames=None, **failed),
        source("holes", MIDNIGHT + 2000, 10.0, num_frames=160),
    ]
    scores = {"holes": video_scores("holes", [1, 2, 5, 7], [0.1] * 4, 1.0)}
    scores["holes"] = replace(scores["holes"], num_frames=160)
    reported = [
        (str(unit.day), r["video_id"], r["start_s"], r["end_s"], r["start_frame"], r["end_frame"], r["reason"])
        for unit in plan(files)
        for r in make_rows(unit, config(), scores.get)
        if r["kind"] == "not_scored"
    ]
    assert reported == [
        ("2026-06-01", "failed", 0.0, 60.0, None, None, "decoder_crash"),
        ("2026-06-02", "failed", 60.0, 180.0, None, None, "decoder_crash"),
        ("2026-06-02", "unknown", 0.0, None, None, None, "decoder_crash"),
        ("2026-06-02", "holes", 0.0, 1.0, 0, 16, "not_decoded"),
        ("2026-06-02", "holes", 3.0, 5.0, 48, 80, "not_decoded"),
        ("2026-06-02", "holes", 6.0, 7.0, 96, 112, "not_decoded"),
        ("2026-06-02", "holes", 8.0, 10.0, 128, 160, "not_decoded"),
    ]


def test_an_event_over_midnight_and_a_file_border_is_a_single_one():
    """It belongs to the day in which it starts; its parts give its position in each file."""
    files = [source("a", MIDNIGHT - 100, 90.0), source("b", MIDNIGHT - 5, 100.0)]
    scores = {
        "a": video_scores("a", range(90), [0.1] * 60 + [0.9] * 30, 1.0),
        "b": video_scores("b", range(100), [0.9] * 20 + [0.1] * 80, 1.0),
    }
    own = replace(PLAIN, smooth_s=0.0)
    first, second = (make_rows(unit, config(own), scores.get) for unit in plan(files, own=own))
    (event,) = [r for r in first if r["kind"] == "event"]
    assert not [r for r in second if r["kind"] == "event"]
    assert event["start_utc"] == datetime(2026, 6, 1, 23, 59, 20, tzinfo=UTC)
    assert event["end_utc"] == datetime(2026, 6, 2, 0, 0, 15, tzinfo=UTC)
    assert [(p["video_id"], p["start_s"], p["end_s"], p["start_frame"], p["end_frame"]) for p in event["parts"]] == [
        ("a", 60.0, 90.0, 960, 1440), ("b", 0.0, 20.0, 0, 320)
    ]  # fmt: skip


def test_masked_cuboids_give_no_events():
    """A camera whose masks cover the strong cuboid has no event; masks that cover the whole frame are rejected."""
    cuboids = np.full((20, 49), 0.1, np.float32)
    cuboids[5:15, 0] = 0.9
    scores = {"a": video_scores("a", range(20), cuboids.max(axis=1), 1.0, cuboids)}
    files = [source("a", MIDNIGHT, 20.0)]

    def events(*masks):
        (unit,) = plan(files, Camera(name="cam", masks=masks))
        return [r for r in make_rows(unit, config(), scores.get) if r["kind"] == "event"]

    (event,) = events(Mask(0.5, 0.5, 1, 1))
    assert (event["x1"], event["y1"], event["x2"], event["y2"]) == (0, 0, 10, 10)
    assert event["cuboid_scores"][0] == pytest.approx(0.9)
    assert events(Mask(0, 0, 0.1, 0.2)) == []
    with pytest.raises(UsageError, match="cover all of"):
        events(Mask(0, 0, 1, 1))


def test_scores_far_beyond_the_end_of_a_video_are_rejected():
    """Planning with a wrong duration would silently lose events."""
    (unit,) = plan([source("a", MIDNIGHT, 10.0)])
    with pytest.raises(UsageError, match="'a' has scores up to 4000 s"):
        make_rows(unit, config(), {"a": video_scores("a", range(40), [0.1] * 40, 100.0)}.get)
