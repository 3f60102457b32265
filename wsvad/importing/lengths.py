"""How long videos are, whose number of clips does not fit that, and what the numbers say of the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from wsvad.clips import ClipSpec
from wsvad.features.imported import SEGMENTS

MISMATCH_KIND = "clip_count"
"""Kind of their rows in lists."""
_FIXED_COUNTS = (32, 200, 320)
"""Numbers of segments that videos are often resampled to."""
_OTHER_CLIPS = (
    *(ClipSpec(n, n) for n in (8, 32, 64, 24, 10, 4, 12, 20, 25, 30, 48, 1)),
    *(ClipSpec(16, stride) for stride in (8, 4, 1)),
    *(ClipSpec(length, 16) for length in (32, 64)),
)
"""What clips of published features are where they are not 16 frames at stride 16, the most common first."""
_RATES = ((30, 25), (25, 30), (24, 25), (25, 24), (24, 30), (30, 24), (15, 30), (60, 30), (10, 25), (15, 25), (10, 30))
"""Frames per second that videos are decoded at instead of their own."""


@dataclass(frozen=True)
class Misfit:
    """A video whose number of clips its number of frames does not allow."""

    uri: str
    clips: int
    """T, clips that there are."""
    crops: int
    known: int | None
    """Frames by the manifest."""
    least: int
    """Clips that as many frames have, at least and at most."""
    most: int
    spec: ClipSpec | None
    """What a clip is; ``None``: 32 segments, which have no length of their own."""

    @property
    def reason(self) -> str:
        """What is wrong."""
        if self.spec is None:
            return (
                f"{SEGMENTS} segments need a manifest (--manifest) with num_frames of at least {SEGMENTS} for this "
                f"video, got {self.known or 'none'}"
            )
        return (
            f"{self.clips} clips, but the manifest's {self.known} frames are {self.least} to {self.most} clips of "
            f"{self.spec.length} frames at stride {self.spec.stride}"
        )

    @property
    def message(self) -> str:
        """What is wrong with which file, in one line."""
        return f"{self.uri}: {self.reason}"

    @property
    def frames(self) -> int | None:
        """Frames of the video if it is kept: the manifest's, or as many as its clips need; ``None``: not known."""
        if self.spec is None or self.known is None:
            return None
        return max(self.known, _frames(self.clips, self.spec)) if self.clips > self.most else self.known


def _frames(clips: int, spec: ClipSpec) -> int:
    """Frames of so many whole clips."""
    return (clips - 1) * spec.stride + spec.length


def clip_range(num_frames: int, spec: ClipSpec) -> tuple[int, int]:
    """Return how many clips extractors make of so many frames, at least and at most: some leave out the last ones."""
    whole = ClipSpec(spec.length, spec.stride, "drop").count(num_frames)
    return max(1, whole - 1), ClipSpec(spec.length, spec.stride, "pad").count(num_frames)


def length_of(uri: str, clips: int, crops: int, known: int | None, spec: ClipSpec | None) -> tuple[int, bool] | Misfit:
    """Return a video's number of frames, and whether it follows from its clips; or why there is none."""
    if spec is None:
        fits = known is not None and known >= SEGMENTS
        return (known, False) if known and fits else Misfit(uri, clips, crops, known, SEGMENTS, SEGMENTS, None)
    if known is None:
        return _frames(clips, spec), True
    least, most = clip_range(known, spec)
    return (known, False) if least <= clips <= most else Misfit(uri, clips, crops, known, least, most, spec)


def advise(misfits: Sequence[Misfit], videos: int) -> str:
    """Say what most likely made the numbers of clips what they are: the cause that explains most of them.

    Args:
        misfits: at least one; those of segments have no cause but that the length is absent.
        videos: how many were looked at, the misfits among them.
    """
    found = [m for m in misfits if m.spec is not None and m.known is not None]
    if not found:
        return ""
    explained = [(cause, sum(map(fits, found))) for cause, fits in _causes(found, videos)]
    cause, count = max(explained, key=lambda pair: pair[1])  # of equals the first
    whole = "" if count == len(found) else f" of {count} of {len(found)}"
    ratios = sorted(m.clips * m.spec.stride / m.known for m in found if m.spec and m.known)
    times = f"{ratios[0]:.2f}" if ratios[-1] - ratios[0] < 0.01 else f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    return f"Likely cause{whole}: {cause} (the clips are {times} times as long as the manifest's videos)."


def _causes(found: Sequence[Misfit], videos: int) -> Iterator[tuple[str, Callable[[Misfit], bool]]]:
    """Yield causes, the likelier first among those that explain as many videos, and what they explain."""
    counts = {m.clips for m in found}
    same = next(iter(counts)) if len(counts) == 1 else None
    most = 2 * len(found) > videos
    if same is not None and (len({m.known for m in found}) > 1 or (most and same in _FIXED_COUNTS)):
        yield (
            f"features that were resampled to a fixed number of segments, {same} a video whatever its length; import "
            "what they were before",
            lambda m: True,
        )
    if most:  # an option is for all videos
        for spec in _OTHER_CLIPS:
            yield (
                f"clips of {spec.length} frames at stride {spec.stride}: --clip-length {spec.length} --clip-stride "
                f"{spec.stride}",
                partial(_of_clips, spec),
            )
        yield "clips and crops in the other order: see --axes", lambda m: m.least <= m.crops <= m.most
    for rate, own in _RATES:
        yield (
            f"another frame rate: the features are of copies with {rate} instead of {own} frames per second, their "
            "frames are not the manifest's",
            partial(_of_rate, rate / own),
        )
    first = min(found, key=lambda m: m.clips / (m.known or 1))
    end = _frames(first.clips, first.spec) if first.spec else 0
    yield (
        f"truncated features, or features of a video that was cut: those of {first.uri} end at frame {end} of "
        f"{first.known}",
        lambda m: m.clips < m.least,
    )
    yield (
        "features of another, longer cut of the video, or a num_frames that is of another video",
        lambda m: m.clips > m.most,
    )


def _of_clips(spec: ClipSpec, misfit: Misfit) -> bool:
    least, most = clip_range(misfit.known or 0, spec)
    return least <= misfit.clips <= most


def _of_rate(ratio: float, misfit: Misfit) -> bool:
    if misfit.spec is None:
        return False
    least, most = clip_range(round((misfit.known or 0) * ratio), misfit.spec)
    return least <= misfit.clips <= most
