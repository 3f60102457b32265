"""Extraction and scoring of a nightly run: features for each feature configuration, then scores of each model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console

from wsvad.checkpoint import Checkpoint
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.errors import EXIT_OK, EXIT_STORAGE, StorageError, UsageError, VideoError
from wsvad.extraction.job import ExtractOptions, extract
from wsvad.extraction.summary import ExtractSummary
from wsvad.features.config import FeatureConfig
from wsvad.manifest.listing import Listing
from wsvad.nightly.layout import FEATURES, SCORES, folder_name
from wsvad.nightly.models import model_folder
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.published import SnapshotRef
from wsvad.pipelines.backbone import backbone_of
from wsvad.scoring.job import ScoreOptions, score
from wsvad.scoring.summary import ScoreSummary
from wsvad.storage import Store, open_store
from wsvad.weights.resolve import BackboneSource

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepResults:
    """Results of the extractions and scorings of a nightly run."""

    features: Mapping[str, SnapshotRef]
    """Features snapshot by model digest."""
    scores: Mapping[str, SnapshotRef]
    """Scores snapshot by model digest."""
    extractions: tuple[ExtractSummary, ...] = field(repr=False)
    scorings: tuple[ScoreSummary, ...] = field(repr=False)

    @property
    def codes(self) -> tuple[int, ...]:
        """Exit codes of the steps that did not succeed."""
        return tuple(s.exit_code for s in (*self.extractions, *self.scorings) if s.exit_code != EXIT_OK)

    @property
    def ran(self) -> dict[str, str]:
        """Where the steps that had work ran, and why."""
        return {
            step: f"{'on Ray' if ended.ran_in == 'ray' else 'in this process'} ({ended.ran_in_why})"
            for step, summaries in (("extraction", self.extractions), ("scoring", self.scorings))
            for ended in summaries
            if ended.ran_in
        }

    @property
    def model_s(self) -> float:
        """Worker seconds of network inference, summed."""
        return sum(s.model_s for s in self.extractions) + sum(s.model_s for s in self.scorings)


def extract_and_score(
    options: RescoreOptions, root: Store, listing: Listing, models: Mapping[str, Checkpoint], console: Console
) -> StepResults:
    """Extract missing features and compute missing scores of every model; existing ones are not computed again.

    Args:
        options: location of the videos and how to read them.
        root: root of the nightly job.
        listing: the videos.
        models: checkpoints by digest, stored below the root.
        console: console for progress output.

    Raises:
        VideoError: no clip of the archive could be extracted.
        ConflictError, DamagedError, UsageError, StorageError, ClusterError: as ``extract`` and ``score``.
    """
    extractions: dict[str, ExtractSummary] = {}
    features: dict[str, SnapshotRef] = {}
    for digest, (config, weights) in _backbones(options, models).items():
        at = f"{FEATURES}{folder_name(config.fingerprint)}"
        if config.fingerprint not in extractions:
            log.info("extracting with %s into %s", config.backbone, at)
            extractions[config.fingerprint] = extract(
                ExtractOptions(
                    videos=options.archive,
                    out=f"{root.uri}/{at}",
                    features=config,
                    weights=weights,
                    pool=options.pool,
                    store=options.store,
                    limits=options.limits,
                    identity=options.identity,
                    follow_links=options.follow_links,
                    address=options.address,
                    use_ray=options.use_ray,
                    min_coverage=options.min_coverage,
                    reading=options.reading,
                    retry_quarantined=options.retry_quarantined,
                    verbose=options.verbose,
                ),
                console,
                listing,
            )
        features[digest] = _snapshot_ref(root, at, extractions[config.fingerprint])
    scorings: dict[str, ScoreSummary] = {}
    scores: dict[str, SnapshotRef] = {}
    for digest in models:
        at = f"{SCORES}{folder_name(digest)}"
        log.info("scoring with %s into %s", digest[:19], at)
        scorings[digest] = score(
            ScoreOptions(
                features=f"{root.uri}/{features[digest].prefix}",
                checkpoint=f"{root.uri}/{model_folder(digest)}",
                out=f"{root.uri}/{at}",
                pool=options.pool,
                store=options.store,
                address=options.address,
                use_ray=options.use_ray,
                verbose=options.verbose,
            ),
            console,
        )
        scores[digest] = _snapshot_ref(root, at, scorings[digest])
    return StepResults(features, scores, tuple(extractions.values()), tuple(scorings.values()))


def _backbones(
    options: RescoreOptions, models: Mapping[str, Checkpoint]
) -> dict[str, tuple[FeatureConfig, BackboneSource]]:
    """Return the feature configuration and weights of every model before any extraction; the champion comes first.

    ``--weights`` applies to the models whose weights are not part of the package. Raises as ``backbone_of``.
    """
    found, given = {}, bool(options.weights or options.flow_weights)
    for digest, checkpoint in models.items():
        try:
            found[digest] = backbone_of(checkpoint, None, options.store)
        except UsageError:
            found[digest] = _with_given(options, checkpoint)
            given = False
    if given:  # no model needs the given weights, so they must match the champion
        _with_given(options, next(iter(models.values())))
    return found


def _with_given(options: RescoreOptions, checkpoint: Checkpoint) -> tuple[FeatureConfig, BackboneSource]:
    return backbone_of(checkpoint, options.weights, options.store, flow_weights=options.flow_weights)


def _snapshot_ref(root: Store, prefix: str, ended: ExtractSummary | ScoreSummary) -> SnapshotRef:
    """Return the newest snapshot of a data set; raise if it is empty."""
    snapshot = latest_snapshot(open_store(f"{root.uri}/{prefix}", root.options))
    if snapshot is not None and snapshot.num_objects:
        return SnapshotRef(prefix, snapshot.number, snapshot.fingerprint)
    first = next((f"; the first problem: {p['video_id']}: {p['message']}" for p in ended.problems), "")
    if ended.exit_code == EXIT_STORAGE:
        raise StorageError(f"{prefix}: nothing could be read or written{first}. Nothing was published; run again")
    raise VideoError("no_clips", f"{prefix}: no clip of the archive could be processed{first}. Nothing was published")
