"""Checks numbers of clips against numbers of frames, and finds the likely cause of mismatches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from wsvad.clips import ClipSpec
from wsvad.features.imported import SEGMENTS

MISMATCH_KIND = "clip_count"
"""``kind`` of mismatched videos in the table of videos."""
_FIXED_COUNTS = (32, 200, 320)
"""Common numbers of segments to which videos are resampled."""
_OTHER_CLIPS = (
    *(ClipSpec(n, n) for n in (8, 32, 64, 24, 10, 4, 12, 20, 25, 30, 48, 1)),
    *(ClipSpec(16, stride) for stride in (8, 4, 1)),
    *(ClipSpec(length, 16) for length in (32, 64)),
)
"""Clip settings of published features other than 16 frames at stride 16, most common first."""
_RATES = ((30, 25), (25, 30), (24, 25), (25, 24), (24, 30), (30, 24), (15, 30), (60, 30), (10, 25), (15, 25), (10, 30))
"""Pairs of frame rates: of the features, and of the manifest's video."""


@dataclass(frozen=True)
class Misfit:
    """A video whose number of clips does not match its number of frames."""

    uri: str
    clips: int
    """T, the number of clips in the features."""
    crops: int
    known: int | None
    """Number of frames in the manifest."""
    least: int
    """Minimum and maximum (``most``) number of clips of that many frames."""
    most: int
    spec: ClipSpec | None
    """Frames of a clip; ``None`` for 32 segments, whose length depends on the video."""

    @property
    def reason(self) -> str:
        """Description of the mismatch."""
        if self.spec is None:
            return (
                f"{SEGMENTS} segments need a manifest (--manifest) with num_frames of at least {SEGMENTS} for this "
                f"video, got {self.known or 'none'}"
            )
        return (
            f"{self.clips} clips, but the manifest's {self.known} frames give {self.least} to {self.most} clips of "
            f"{self.spec.length} frames at stride {self.spec.stride}"
        )

    @property
    def message(self) -> str:
        """Description of the mismatch with the file, in one line."""
        return f"{self.uri}: {self.reason}"

    @property
    def frames(self) -> int | None:
        """Frames of the video if it is kept: the manifest's, or as many as its clips need; ``None`` if unknown."""
        if self.spec is None or self.known is None:
            return None
        return max(self.known, _frames(self.clips, self.spec)) if self.clips > self.most else self.known


def _frames(clips: int, spec: ClipSpec) -> int:
    """Return the number of frames of this many full clips."""
    return (clips - 1) * spec.stride + spec.length


def clip_range(num_frames: int, spec: ClipSpec) -> tuple[int, int]:
    """Return the minimum and maximum number of clips of a video; some extractors leave out the last ones."""
    whole = ClipSpec(spec.length, spec.stride, "drop").count(num_frames)
    return max(1, whole - 1), ClipSpec(spec.length, spec.stride, "pad").count(num_frames)


def length_of(uri: str, clips: int, crops: int, known: int | None, spec: ClipSpec | None) -> tuple[int, bool] | Misfit:
    """Return the number of frames and whether it was derived from the clips, or a ``Misfit``."""
    if spec is None:
        fits = known is not None and known >= SEGMENTS
        return (known, False) if known and fits else Misfit(uri, clips, crops, known, SEGMENTS, SEGMENTS, None)
    if known is None:
        return _frames(clips, spec), True
    least, most = clip_range(known, spec)
    return (known, False) if least <= clips <= most else Misfit(uri, clips, crops, known, least, most, spec)


def advise(misfits: Sequence[Misfit], videos: int) -> str:
    """Return the most likely cause of mismatched numbers of clips: the one that explains most of them.

    Args:
        misfits: at least one; for segments there is no cause other than a missing length.
        videos: total number of videos, including the misfits.
    """
    found = [m for m in misfits if m.spec is not None and m.known is not None]
    if not found:
        return ""
    explained = [(cause, sum(map(fits, found))) for cause, fits in _causes(found, videos)]
    cause, count = max(explained, key=lambda pair: pair[1])  # the first one on ties
    whole = "" if count == len(found) else f" of {count} of {len(found)}"
    ratios = sorted(m.clips * m.spec.stride / m.known for m in found if m.spec and m.known)
    times = f"{ratios[0]:.2f}" if ratios[-1] - ratios[0] < 0.01 else f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    return f"Likely cause{whole}: {cause} (the clips cover {times} times the length of the manifest's videos)."


def _causes(found: Sequence[Misfit], videos: int) -> Iterator[tuple[str, Callable[[Misfit], bool]]]:
    """Yield causes and a predicate for the misfits that each explains; likelier causes come first."""
    counts = {m.clips for m in found}
    same = next(iter(counts)) if len(counts) == 1 else None
    most = 2 * len(found) > videos
    if same is not None and (len({m.known for m in found}) > 1 or (most and same in _FIXED_COUNTS)):
        yield (
            f"features resampled to a fixed number of segments, {same} per video regardless of its length; import the "
            "features before resampling",
            lambda m: True,
        )
    if most:  # options apply to all videos
        for spec in _OTHER_CLIPS:
            yield (
                f"clips of {spec.length} frames at stride {spec.stride}: --clip-length {spec.length} --clip-stride "
                f"{spec.stride}",
                partial(_of_clips, spec),
            )
        yield "clips and crops are swapped, see --axes", lambda m: m.least <= m.crops <= m.most
    for rate, own in _RATES:
        yield (
            f"another frame rate: the features were computed from copies with {rate} instead of {own} frames per "
            "second, so frame numbers differ from the manifest's",
            partial(_of_rate, rate / own),
        )
    first = min(found, key=lambda m: m.clips / (m.known or 1))
    end = _frames(first.clips, first.spec) if first.spec else 0
    yield (
        f"truncated features, or features of a truncated video: those of {first.uri} end at frame {end} of "
        f"{first.known}",
        lambda m: m.clips < m.least,
    )
    yield (
        "features of another, longer version of the video, or a wrong num_frames",
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
