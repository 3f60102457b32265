"""The model at work: features of a video in, scores of its clips out. No Ray, no files.

Axes: T clips in time, V crops, K cuboids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from wsvad.checkpoint import Checkpoint
from wsvad.errors import UsageError, VideoError
from wsvad.features.decoding import UnitFeatures
from wsvad.features.reading import VideoFeatures
from wsvad.models.windows import windows
from wsvad.scores.config import window_of
from wsvad.scores.table import VideoScores

BAD_SCORES = "scores_not_finite"
"""Kind of the evidence against a video whose features make the model give NaN or infinity."""


class Scorer:
    """Scores videos with a trained model.

    The crops of a clip are averaged before the model sees them, in float32 and rounded to float16, as the training did.
    At test time there are no segments: the model sees all T clips of a video at once (RTFM, section 4), or windows of
    ``window`` of them where a video is longer (see :func:`wsvad.models.windows.windows`). The same features give the
    same bits on the same kind of machine.

    Args:
        checkpoint: the trained model.
        window: clips that the model sees at once, at least 2; ``None`` takes the default of ``WINDOWS``.
        device: ``cpu``, ``cuda``, ``cuda:1``.
        threads: of the process on a CPU; ``None`` leaves them as they are.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, window: int | None = None, device: str = "cpu", threads: int | None = None
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._model = checkpoint.model().to(self._device).eval()
        self._dim = checkpoint.model_config.input_dim
        self._window = window_of(checkpoint.model_config.inputs, window)
        self.uses_cuboids = checkpoint.model_config.inputs == "cuboids"

    def __call__(self, features: VideoFeatures) -> VideoScores:
        """Score a video that is in memory.

        Raises:
            UsageError: features of another width, or without the cuboids that the model needs.
            VideoError: a score is NaN or infinite.
        """
        scores = self.score_units(features.video_id, [features], len(features.clip))
        return VideoScores(**scores, num_frames=features.num_frames, width=features.width, height=features.height)

    def score_units(
        self,
        video_id: str,
        units: Iterable[UnitFeatures],
        num_clips: int,
        on_clips: Callable[[int], None] | None = None,
    ) -> dict[str, Any]:
        """Score a video that comes unit by unit; memory holds a window of it, and a few units.

        Args:
            video_id: for the result and for messages.
            units: the stored units of the video, in order.
            num_clips: T, of all of them together.
            on_clips: called with the number of clips that are scored so far.

        Returns:
            The fields of :class:`VideoScores` but for the video's length and size. Raises as :meth:`__call__`.
        """
        spans: dict[str, list[np.ndarray]] = {n: [] for n in ("clip", "start_frame", "end_frame", "start_s", "end_s")}
        score_T = np.empty(num_clips, np.float32)
        cuboids_TK: np.ndarray | None = None
        held: list[np.ndarray] = []
        at = 0  # ``held`` has the positions from here on, crops averaged, float16
        pieces = self._pieces(video_id, units, spans)
        for window in windows(num_clips, self._window):
            while at + sum(len(piece) for piece in held) < window.stop:
                held.append(next(pieces))
            block = np.concatenate(held)[window.start - at :]
            held, at = [block], window.start
            keep = slice(window.keep_start, window.keep_stop)
            scores, cuboids = self._run(block[: window.stop - window.start])
            inside = slice(window.keep_start - window.start, window.keep_stop - window.start)
            score_T[keep] = scores[inside]
            if cuboids is not None:
                if cuboids_TK is None:
                    cuboids_TK = np.empty((num_clips, cuboids.shape[1]), np.float32)
                cuboids_TK[keep] = cuboids[inside]
            if on_clips:
                on_clips(window.keep_stop)
        _check_finite(video_id, score_T, cuboids_TK)
        joined = {name: np.concatenate(parts) for name, parts in spans.items()}
        return {"video_id": video_id, **joined, "score_T": score_T, "cuboid_scores_TK": cuboids_TK}

    def _pieces(
        self, video_id: str, units: Iterable[UnitFeatures], spans: dict[str, list[np.ndarray]]
    ) -> Iterator[np.ndarray]:
        """Yield what the model takes of each unit, float16 ``[t, D]`` or ``[t, K, C]``; note its spans."""
        for unit in units:
            values_TV = unit.cuboids_TVKC if self.uses_cuboids else unit.pooled_TVD
            if values_TV is None:
                raise UsageError(
                    f"{video_id}: the model looks at cuboids and these features have none; extract without --no-cuboids"
                )
            if values_TV.shape[-1] != self._dim:
                raise UsageError(f"{video_id}: the model takes {self._dim} values, the features have {values_TV.shape}")
            for name, parts in spans.items():
                parts.append(getattr(unit, name))
            if values_TV.shape[1] == 1:
                yield values_TV[:, 0]
            else:
                yield values_TV.mean(axis=1, dtype=np.float32).astype(np.float16)

    def _run(self, values_T: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        with torch.inference_mode():
            features = torch.from_numpy(values_T.astype(np.float32)).unsqueeze(0).to(self._device)
            output = self._model(features)
            cuboids = output.cuboid_scores_BTK
            return (
                output.scores_BT[0].float().cpu().numpy(),
                None if cuboids is None else cuboids[0].float().cpu().numpy(),
            )


def _check_finite(video_id: str, score_T: np.ndarray, cuboids_TK: np.ndarray | None) -> None:
    bad_T = ~np.isfinite(score_T)
    if cuboids_TK is not None:
        bad_T |= ~np.isfinite(cuboids_TK).all(axis=1)
    if bad_T.any():
        first = int(np.argmax(bad_T))
        raise VideoError(
            BAD_SCORES,
            f"{int(bad_T.sum())} of {len(score_T)} clips of {video_id!r} have scores that are NaN or infinite, first at"
            f" position {first}; the checkpoint is broken, or trained on features of another scale",
        )
