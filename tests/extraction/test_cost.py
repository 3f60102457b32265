"""Estimated cost of units, which decides whether a run stays in this process."""

import pytest

from tests.extraction.factories import make_index, make_video
from wsvad.backbones.registry import BACKBONES
from wsvad.backbones.weights import untrained_name
from wsvad.clips import ClipSpec
from wsvad.extraction.cost import NETWORK_COST, cost, is_small
from wsvad.extraction.units import plan_units
from wsvad.features.config import FeatureConfig

MINUTE = 60 * 25


def _units(frames, config, width=320, height=240):
    return plan_units(make_video(), make_index(frames, width=width, height=height), config)


def _config(backbone="i3d-compact", **options):
    spec = BACKBONES[backbone]
    if spec.uses_flow:
        options.setdefault("flow", "dis")
    second = untrained_name(1, spec.architectures[1]) if len(spec.architectures) > 1 else None
    return FeatureConfig(
        untrained_name(0, spec.architectures[0]), backbone, flow_weights=second, precision="fp32", **options
    )


def test_every_backbone_has_a_cost():
    """The default backbone is the unit of measurement."""
    assert NETWORK_COST.keys() == BACKBONES.keys()
    assert NETWORK_COST["i3d-compact"] == 1


@pytest.mark.parametrize(
    ("minutes", "small", "options"),
    [
        (10, True, {}),
        (12, False, {}),
        (1, True, {"backbone": "i3d"}),
        (2, False, {"backbone": "i3d"}),
        (1, False, {"backbone": "i3d-two-stream"}),
        (0.2, False, {"backbone": "i3d-flow", "flow": "tvl1"}),
        (1, True, {"backbone": "i3d-flow", "flow": "dis"}),
        (10, False, {"geometry": "ten-crop"}),
        (10, False, {"clips": ClipSpec(16, 8)}),
        (15, True, {"clips": ClipSpec(16, 32)}),
    ],
)
def test_small_runs(minutes, small, options):
    """Ten minutes of the default backbone, one of full I3D, almost nothing with TV-L1 flow."""
    config = _config(**options)
    assert is_small(_units(int(minutes * MINUTE), config), config)[0] is small


def test_large_frames_increase_the_cost():
    """Ten minutes of 4K are no small run, whatever the network; a second of it is."""
    config = _config()
    assert not is_small(_units(10 * MINUTE, config, 3840, 2160), config)[0]
    assert is_small(_units(25, config, 3840, 2160), config)[0]
    sparse = _config(clips=ClipSpec(1, 64))  # few clips, and yet every frame is decoded
    assert cost(_units(10 * MINUTE, sparse, 3840, 2160), sparse) > 1000


def test_units_of_many_videos_add_up():
    """Many short videos cost as much as a long one; the phrase contains the figures."""
    config = _config()
    units = _units(6 * MINUTE, config)
    assert is_small(units, config) == (True, "small run: 563 clips, cost 563 clips of i3d-compact, limit 1000")
    small, why = is_small([*units, *units], config)
    assert (small, why) == (False, "large run: 1126 clips, cost 1126 clips of i3d-compact, limit 1000")
