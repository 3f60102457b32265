"""Plan of the demo videos and their ground truth: pure functions of a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from wsvad.demo.figures import Box, figure_box
from wsvad.demo.scenes import SCENES, Scene
from wsvad.demo.story import FPS, Kind, Story, make_story
from wsvad.errors import UsageError

_BOX_FRAMES = 10  # a box covers 0.4 s: the motion is fast, and a box per frame would make a long table


class Format(NamedTuple):
    """Container, given by its suffix, and options of the encoder."""

    suffix: str
    codec: Literal["libx264", "mpeg4"]
    options: dict[str, str]


_H264 = {"preset": "superfast", "crf": "23", "threads": "1", "g": "50"}
# Both videos of a scene have the same scene, size, length, container and codec, so none of these reveals the label.
_FORMATS = (
    Format(".mp4", "libx264", _H264),
    Format(".mkv", "libx264", _H264),
    Format(".mp4", "libx264", _H264),
    Format(".avi", "mpeg4", {"b": "600k", "threads": "1", "g": "50"}),
)


class Truth(NamedTuple):
    """Box that contains the anomaly in the frames ``[start_frame, end_frame)``; pixels, half-open."""

    start_frame: int
    end_frame: int
    box: Box


@dataclass(frozen=True)
class DemoVideo:
    """One video of the demo, before it is rendered."""

    name: str
    """File name."""
    scene: Scene
    format: Format
    num_frames: int
    """Number of frames, at 25 frames/s."""
    kind: Kind
    split: Literal["train", "test"]
    entropy: tuple[int, ...]
    """Seed of all random choices in the video."""

    def rng(self, purpose: int) -> np.random.Generator:
        """Return a separate generator for each purpose, so that changing one does not affect the others."""
        return np.random.default_rng([*self.entropy, purpose])

    def story(self) -> Story:
        """Return the story of the video."""
        return make_story(self.scene, self.kind, self.num_frames, self.rng(0))

    def spans(self) -> list[tuple[int, int]]:
        """Return the anomalous frames as half-open spans; none for a normal video."""
        story = self.story()
        return [] if self.kind == "normal" else [(story.start_frame, story.end_frame)]

    def truths(self) -> list[Truth]:
        """Return boxes of the anomaly: one per 10 frames, around the people who take part in it."""
        story = self.story()
        actors = [person for person in story.people if person.takes_part]
        truths = []
        for first, end in self.spans():
            for start in range(first, end, _BOX_FRAMES):
                stop = min(start + _BOX_FRAMES, end)
                found = [figure_box(self.scene, p.look, p.pose(f)) for f in range(start, stop) for p in actors]
                boxes = [box for box in found if box is not None]
                if boxes:
                    truths.append(Truth(start, stop, _union(boxes)))
        return truths


def _union(boxes: list[Box]) -> Box:
    x1, y1, x2, y2 = zip(*boxes, strict=True)
    return min(x1), min(y1), max(x2), max(y2)


def plan_demo(seed: int, videos: int, seconds: float) -> list[DemoVideo]:
    """Plan the content of each video.

    Args:
        seed: At least 0.
        videos: At least 1; two consecutive videos form a pair with the same scene, one of which is anomalous.
        seconds: Mean length, 2 to 3600; the length of each pair differs by up to a quarter.

    Raises:
        UsageError: An argument is out of range.
    """
    if seed < 0:
        raise UsageError(f"the seed of the demo must be at least 0, got {seed}")
    if videos < 1:
        raise UsageError(f"the number of demo videos must be at least 1, got {videos}")
    if not 2.0 <= seconds <= 3600.0:
        raise UsageError(f"demo videos must be 2 to 3600 seconds long, got {seconds:g}")
    plan: list[DemoVideo] = []
    for pair in range((videos + 1) // 2):
        rng = np.random.default_rng([seed, pair])
        scene, form, visit = SCENES[pair % len(SCENES)], _FORMATS[pair % len(_FORMATS)], pair // len(SCENES)
        num_frames = round(seconds * float(rng.uniform(0.8, 1.25)) * FPS)
        # fights and chases alternate at each scene
        kinds: list[Kind] = ["normal", "fight" if (pair + visit) % 2 == 0 else "chase"]
        if rng.random() < 0.5:
            kinds.reverse()
        # split by scene, so that no scene is in both splits; kinds alternate, so that both splits contain both kinds
        split: Literal["train", "test"] = "train" if pair % len(SCENES) < 2 else "test"
        for twin in (0, 1):
            name = f"{scene.name}-{2 * visit + twin + 1}{form.suffix}"
            plan.append(DemoVideo(name, scene, form, num_frames, kinds[twin], split, (seed, pair, twin)))
    return plan[:videos]
