"""The plan of units: pure, complete, disjoint, with content-based ids."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.extraction.factories import CONFIG, make_index, make_video
from wsvad.backbones.registry import BACKBONES
from wsvad.clips import ClipSpec
from wsvad.dataset.config import differences
from wsvad.errors import UsageError
from wsvad.extraction.units import Unit, clips_per_unit, longest_first, plan_units
from wsvad.features.config import FeatureConfig


@given(st.integers(0, 200_000), st.sampled_from([0.1, 5.0, 25.0, 29.97, 240.0]), st.sampled_from([8, 16, 40]))
def test_units_hold_every_clip_once(frames, fps, stride):
    """For any length, rate and stride, the ranges of a video's units cover its clips once, in order."""
    config = dataclasses.replace(CONFIG, clips=ClipSpec(16, stride))
    units = plan_units(make_video(), make_index(frames, fps), config)
    clips = [c for u in units for c in range(u.first_clip, u.last_clip)]
    assert clips == list(range(config.clips.count(frames)))
    assert len({u.unit_id for u in units}) == len(units)


def test_a_day_is_about_a_hundred_units_and_a_short_video_is_one():
    """Ten minutes of footage per unit; with ten crops units are ten times shorter, so that memory stays limited."""
    assert len(plan_units(make_video(), make_index(24 * 3600 * 25), CONFIG)) == 145
    assert len(plan_units(make_video(), make_index(10), CONFIG)) == 1
    assert plan_units(make_video(), make_index(0), CONFIG) == []
    ten = dataclasses.replace(CONFIG, geometry="ten-crop")
    assert clips_per_unit(make_index(), CONFIG) == 937
    assert clips_per_unit(make_index(), ten) == 93


def test_the_plan_does_not_depend_on_the_order_of_the_listing():
    """Longest first, ties by id."""
    units = [
        u for n, v in ((50, "a"), (5000, "b"), (50, "c")) for u in plan_units(make_video(v), make_index(n), CONFIG)
    ]
    assert longest_first(units) == longest_first(reversed(units))
    assert longest_first(units)[0].video.video_id == "b"


def test_unit_id_changes_with_content_range_and_configuration():
    """Other content, range or fingerprint gives another unit id; the same gives the same."""

    def first(video=None, frames=100, config=CONFIG):
        return plan_units(video or make_video(), make_index(frames), config)[0].unit_id

    others = [
        first(make_video(version="2")),
        first(make_video("b.mp4")),
        first(frames=200),
        first(config=dataclasses.replace(CONFIG, precision="bf16")),
        first(config=dataclasses.replace(CONFIG, weights="sha256:00")),
        first(config=dataclasses.replace(CONFIG, unit_s=60.0)),
    ]
    assert first() == first()
    assert len({first(), *others}) == 1 + len(others)


def test_a_unit_round_trips_through_a_row():
    """Including names that are not UTF-8."""
    video = make_video("odd.mp4")
    video = dataclasses.replace(video, info=video.info._replace(key="caf\udce9.mp4"))
    unit = plan_units(video, make_index(), CONFIG)[0]
    assert Unit.from_row(unit.to_row()) == unit


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": "fp8"}, "precision"),
        ({"geometry": "stretch"}, "geometry"),
        ({"backbone": "c3d"}, "backbone"),
        ({"unit_s": 0.0}, "1 to 3600"),
        ({"unit_s": float("nan")}, "1 to 3600"),
    ],
)
def test_invalid_configurations_state_the_valid_values(wrong, message):
    """Values are checked when a configuration is created."""
    with pytest.raises(UsageError, match=message):
        FeatureConfig("w", **wrong)


def test_differences_state_both_values():
    """A conflict message must show what to change."""
    other = dataclasses.replace(CONFIG, clips=ClipSpec(32, 16)).to_dict()
    assert differences(CONFIG.to_dict(), other) == ["clips.length: there 32, here 16"]


def test_units_of_overlapping_clips_are_limited_too():
    """At most about 100 MB of features, at every stride and rate."""
    for spec in BACKBONES.values():
        row = 2 * (spec.pooled_dim + 49 * spec.cuboid_dim)
        flow = {"flow": "dis" if spec.uses_flow else None, "flow_weights": "w" if len(spec.streams) > 1 else None}
        for stride, fps in ((16, 25.0), (1, 25.0), (16, 240.0)):
            config = FeatureConfig("w", spec.name, clips=ClipSpec(16, stride), **flow)
            assert clips_per_unit(make_index(fps=fps), config) * row < 111e6, (spec.name, stride, fps)


def test_units_of_full_i3d_keep_their_size():
    """2,048 rows at any stride: unit ids of existing data sets depend on it."""
    config = FeatureConfig("w", "i3d", clips=ClipSpec(16, 1))
    assert clips_per_unit(make_index(), config) == 2048
