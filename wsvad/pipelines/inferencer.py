"""Scoring of single videos in this process, without Ray: a file in, scores of its clips and frames out."""

from __future__ import annotations

from html import escape
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
    """Score single videos like ``wsvad extract`` and ``wsvad score``, with the same numeric results.

    >>> with Inferencer.load("model/checkpoint") as inferencer:
    ...     scores = inferencer.score_video("videos/cam1.mp4")
    >>> scores.score_T.shape  # one per clip; 1 is anomalous
    (5,)
    >>> scores.frame_scores().shape  # one per frame
    (70,)
    >>> scores.cuboid_scores_TK.shape  # over a 7x7 grid; None for a model without cuboids
    (5, 49)

    A child process without credentials decodes videos; leaving the ``with`` block (or :meth:`close`) ends it. The
    features of the whole video are held in memory: for full I3D with cuboids 54 KB per clip, and twice that while they
    are concatenated, so 600 MB for an hour at 25 frames per second; for the compact network a quarter. For archives use
    ``wsvad score``.

    Args:
        checkpoint: the trained model.
        features: feature configuration of the checkpoint.
        weights: backbone weights, loaded when the first video is scored.
        window: number of clips that the model processes at once; ``None``: the default of ``wsvad score``.
        device: torch device of both networks.
        threads: CPU threads of the networks; ``None`` keeps torch's setting. With 1, results are bit for bit those of
            ``wsvad score``.
        limits: limits of the decoder.
        store: settings of the store with the videos.
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
        """Load a checkpoint folder and resolve its backbone weights.

        Args:
            checkpoint_uri: local folder or ``s3://`` prefix.
            weights: file or URI of the backbone weights; may be ``None`` if the checkpoint was trained with embedded
                weights or with an untrained network.
            flow_weights: weights of the flow stream of a two-stream backbone, as ``weights``.
            store: settings of the store.
            options: ``window``, ``device``, ``threads``, ``limits``.

        Raises:
            UsageError, WeightsError: the checkpoint does not exist or is damaged, or weights are missing.
            ConflictError: the checkpoint was trained with other weights.
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

    def _repr_html_(self) -> str:
        """Return what the inferencer consists of; notebooks call this."""
        rows = {
            "model": str(self.checkpoint.model_config),
            "backbone": f"{self._features.backbone}, weights {self._features.weights}",
            "device": f"{self._device}, {self._threads or 'default'} threads",
        }
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
        return f'<table style="text-align:left"><caption>Inferencer</caption>{cells}</table>'

    def close(self) -> None:
        """End the decoder process."""
        self._reader.close()

    def score_video(self, uri: str) -> VideoScores:
        """Decode a video, extract its features, and score them. Clips that cannot be decoded are skipped.

        Args:
            uri: path or URI of one video file.

        Raises:
            UsageError: the URI is not exactly one video.
            VideoError: the video has no video stream or no decodable clip, or the decoder hangs.
            StorageError: the video cannot be read.
        """
        return self.score_features(self.extract_video(uri))

    def extract_video(self, uri: str) -> VideoFeatures:
        """Return the features of a video as ``wsvad extract`` would store them. Raises as :meth:`score_video`."""
        found = list_videos(uri, options=self._store).videos
        if len(found) != 1:
            raise UsageError(f"expected one video, got {len(found)} in {uri}; use `wsvad score` for several")
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
        """Score existing features, e.g. from ``FeatureSet.load``.

        Raises:
            UsageError: the features have another width, or lack cuboids that the model needs.
            VideoError: a score is NaN or infinite.
        """
        return self._scorer(features)


def _columns(rows: list[ClipRows]) -> dict[str, Any]:
    """Return the rows as the arrays of ``VideoFeatures``."""
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
