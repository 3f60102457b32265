"""An archive for tests: small videos of cameras with and without bright spans, and models that detect brightness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import torch

from tests.scoring.factories import make_checkpoint
from wsvad.backbones.weights import untrained_name
from wsvad.checkpoint import Checkpoint
from wsvad.clips import ClipSpec
from wsvad.features.config import FeatureConfig

FEATURES = FeatureConfig(untrained_name(0, "inception-compact"), clips=ClipSpec(4, 4), precision="fp32")
FPS = 4


def write_scene(path: Path, seconds: int, *bright: tuple[int, int], picture: np.ndarray | None = None) -> None:
    """Write a dark video of 4 frames a second, bright in the given spans of seconds; a clip is a second long.

    Or one of a picture that does not move, RGB ``[64, 64, 3]``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.gop_size = FPS
        for second in range(seconds):
            level = 230 if any(first <= second < last for first, last in bright) else 20
            frame = np.full((64, 64, 3), level, np.uint8) if picture is None else picture
            for _ in range(FPS):
                for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                    container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def bright_is_anomalous(shift: float = 0.0) -> Checkpoint:
    """Return a model with the logit brightness of a cuboid plus ``shift``: dark clips score .23, bright ones .87."""
    checkpoint = make_checkpoint("st_mil", 160, features=FEATURES, unit_length=False)
    state = {name: torch.zeros_like(tensor) for name, tensor in checkpoint.state.items()}
    state["head.fc1.weight"][0] = 1 / 160
    state["head.fc2.weight"][0, 0] = state["head.fc3.weight"][0, 0] = 1.0
    state["head.fc3.bias"][0] = shift - 1.5
    return replace(checkpoint, state=state)


CAMERAS = """
[[camera]]
pattern = "{camera}/{year}{month}{day}_{hour}{minute}{second}.mp4"
time_zone = "UTC"
"""


def write_first_night(archive: Path) -> None:
    """Write three cameras: an event at the end of the last file of a day, an event inside a file, no event."""
    write_scene(archive / "front" / "20260301_235930.mp4", 30, (5, 8), (26, 30))
    write_scene(archive / "yard" / "20260301_120000.mp4", 20, (2, 6))
    write_scene(archive / "door" / "20260301_120000.mp4", 10)
