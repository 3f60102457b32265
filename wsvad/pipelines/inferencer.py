"""One video at a time, in this process, without Ray: a file in, scores of its clips and frames out."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np

from wsvad.checkpoint import Checkpoint, load_checkpoint
from wsvad.errors import UsageError, VideoError
from wsvad.extraction.worker import ClipNetwork, Timer
from wsvad.features.config import FeatureConfig
from wsvad.features.encoding import ClipRows
from wsvad.features.reading import VideoFeatures
from wsvad.manifest.listing import VideoRef, list_videos
from wsvad.manifest.source import StoredVideo
from wsvad.pipelines.backbone import backbone_of
from wsvad.scores.table import VideoScores
from wsvad.scoring.scorer import Scorer
from wsvad.storage import StoreOptions
from wsvad.video import Limits, VideoReader
from wsvad.weights.resolve import BackboneSource


class Inferencer:
    """Scores single videos as ``wsvad extract`` and ``wsvad score`` do together, to the same numbers.

    ::

        with Inferencer.load("runs/ltgs/checkpoint", weights="rgb_imagenet.pt") as inferencer:
            scores = inferencer.score_video("/footage/cam7.mp4")
            scores.score_T              # float32 [T], one a clip, 1 is anomalous
            scores.frame_scores()       # float32 [frames of the video]
            scores.cuboid_scores_TK     # float32 [T, 49] over a 7x7 grid, or None

    A child process without credentials decodes; leaving the ``with`` block (or :meth:`close`) ends it. The features of
    the whole video are held in memory: of full I3D 54 KB a clip with cuboids, and twice that while they are put
    together, so 600 MB for an hour of 25 frames a second; of the compact one a quarter. For archives there is
    ``wsvad score``.

    Args:
        checkpoint: the trained model.
        features: how its features are made.
        weights: of the backbone; loaded when the first video is scored.
        window: clips that the model sees at once; ``None``: as many as ``wsvad score`` shows it.
        device: where both networks run.
        threads: of the networks on a CPU; ``None`` leaves them as they are. Bits are those of the job with one.
        limits: of the decoder.
        store: how to reach videos in object storage.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        features: FeatureConfig,
        weights: BackboneSource,
        *,
        window: int | None = None,
        device: str = "cpu",
        threads: int | None = 1,
        limits: Limits | None = None,
        store: StoreOptions | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self._features = features
        self._weights = weights
        self._device, self._threads = device, threads
        self._store = store or StoreOptions()
        self._reader = VideoReader(limits=limits or Limits())
        self._scorer = Scorer(checkpoint, window=window, device=device, threads=threads)
        self._network: ClipNetwork | None = None

    @classmethod
    def load(
        cls,
        checkpoint_uri: str,
        weights: str | None = None,
        *,
        flow_weights: str | None = None,
        store: StoreOptions | None = None,
        **options: Any,
    ) -> Inferencer:
        """Load a checkpoint folder, and find the backbone's weights.

        Args:
            checkpoint_uri: local folder or ``s3://`` prefix.
            weights: file or URI of the backbone's weights; ``None`` where the checkpoint names the embedded ones or an
                untrained network.
            flow_weights: likewise, of the second of two streams.
            store: how to reach object storage.
            options: ``window``, ``device``, ``threads``, ``limits``.

        Raises:
            UsageError, WeightsError: no checkpoint, a damaged one, or weights that are missing.
            ConflictError: other weights than the checkpoint was trained with.
        """
        checkpoint = load_checkpoint(checkpoint_uri, store)
        features, source = backbone_of(checkpoint, weights, store, flow_weights=flow_weights)
        return cls(checkpoint, features, source, store=store, **options)

    def __enter__(self) -> Inferencer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the decoder's process."""
        self._reader.close()

    def score_video(self, uri: str) -> VideoScores:
        """Decode a video, extract its features, and score them. Clips that cannot be decoded are left out.

        Args:
            uri: path or URI of one video file.

        Raises:
            UsageError: not one video.
            VideoError: evidence against it: no video stream, not a clip that can be decoded, a decoder that hangs.
            StorageError: it cannot be read.
        """
        return self.score_features(self.extract_video(uri))

    def extract_video(self, uri: str) -> VideoFeatures:
        """Return the features of a video as ``wsvad extract`` would store them. Raises as :meth:`score_video`."""
        found = list_videos(uri, options=self._store).videos
        if len(found) != 1:
            raise UsageError(f"expected one video, got {len(found)} in {uri}; for many there is `wsvad score`")
        return self._extract(found[0])

    def _extract(self, video: VideoRef) -> VideoFeatures:
        if self._network is None:
            self._network = ClipNetwork(
                self._features, self._weights.load(), device=self._device, threads=self._threads
            )
        source = StoredVideo(video, self._store)
        index = self._reader.index(source, name=video.video_id)
        spec = self._features.clips
        num_clips, network = spec.count(index.num_frames), self._network
        clips = self._reader.clips(source, index, 0, num_clips, spec, network.geometry, flow=network.flow)
        rows = list(self._network.rows(clips, Timer()))
        if not rows:
            raise VideoError("no_clips", f"none of the clips of {video.uri} can be decoded")
        return VideoFeatures(
            video_id=video.video_id,
            **_columns(rows),
            num_frames=index.num_frames,
            width=index.width,
            height=index.height,
        )

    def score_features(self, features: VideoFeatures) -> VideoScores:
        """Score features that are at hand, e.g. of ``FeatureSet.load``.

        Raises:
            UsageError: features of another width, or without cuboids where the model needs them.
            VideoError: a score is NaN or infinite.
        """
        return self._scorer(features)


def _columns(rows: list[ClipRows]) -> dict[str, Any]:
    """The rows as the arrays of ``VideoFeatures``."""
    cuboids = [r.cuboids_VKC for r in rows if r.cuboids_VKC is not None]
    return {
        "clip": np.array([r.clip for r in rows], np.int32),
        "start_frame": np.array([r.start_frame for r in rows], np.int64),
        "end_frame": np.array([r.end_frame for r in rows], np.int64),
        "start_s": np.array([r.start_s for r in rows], np.float64),
        "end_s": np.array([r.end_s for r in rows], np.float64),
        "pooled_TVD": np.stack([r.pooled_VD for r in rows]),
        "cuboids_TVKC": np.stack(cuboids) if cuboids else None,
    }
