"""The steps of a night: features for every way of extraction that a model wants, then scores of every model."""

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
from wsvad.nightly.models import model_folder
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.places import FEATURES, SCORES, short
from wsvad.nightly.published import DataSetAt
from wsvad.pipelines.backbone import backbone_of
from wsvad.scoring.job import ScoreOptions, score
from wsvad.scoring.summary import ScoreSummary
from wsvad.storage import Store, open_store
from wsvad.weights.resolve import BackboneSource

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What the extractions and scorings of a night came to."""

    features: Mapping[str, DataSetAt]
    """By digest of the model; likewise the scores."""
    scores: Mapping[str, DataSetAt]
    extractions: tuple[ExtractSummary, ...] = field(repr=False)
    scorings: tuple[ScoreSummary, ...] = field(repr=False)

    @property
    def codes(self) -> tuple[int, ...]:
        """Exit codes of the steps that did not end well."""
        return tuple(s.exit_code for s in (*self.extractions, *self.scorings) if s.exit_code != EXIT_OK)

    @property
    def model_s(self) -> float:
        """Worker seconds in networks, summed."""
        return sum(s.model_s for s in self.extractions) + sum(s.model_s for s in self.scorings)


def make_scores(
    options: RescoreOptions, root: Store, listing: Listing, models: Mapping[str, Checkpoint], console: Console
) -> Made:
    """Extract what is missing and score it with every model; what is there is not made again.

    Args:
        options: where videos are and how they are read.
        root: of the nightly job.
        listing: the videos.
        models: checkpoints by digest, pinned below the root.
        console: where progress is drawn.

    Raises:
        VideoError: not one clip of the archive could be extracted.
        ConflictError, DamagedError, UsageError, StorageError, ClusterError: as ``extract`` and ``score``.
    """
    extractions: dict[str, ExtractSummary] = {}
    features: dict[str, DataSetAt] = {}
    for digest, (config, weights) in _backbones(options, models).items():
        at = f"{FEATURES}{short(config.fingerprint)}"
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
        features[digest] = _at(root, at, extractions[config.fingerprint])
    scorings: dict[str, ScoreSummary] = {}
    scores: dict[str, DataSetAt] = {}
    for digest in models:
        at = f"{SCORES}{short(digest)}"
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
        scores[digest] = _at(root, at, scorings[digest])
    return Made(features, scores, tuple(extractions.values()), tuple(scorings.values()))


def _backbones(
    options: RescoreOptions, models: Mapping[str, Checkpoint]
) -> dict[str, tuple[FeatureConfig, BackboneSource]]:
    """Return how the features of every model are made, before the first is made; the champion is the first.

    ``--weights`` are for the models whose weights do not come with the package. Raises as ``backbone_of``.
    """
    found, given = {}, bool(options.weights or options.flow_weights)
    for digest, checkpoint in models.items():
        try:
            found[digest] = backbone_of(checkpoint, None, options.store)
        except UsageError:
            found[digest] = _with_given(options, checkpoint)
            given = False
    if given:  # nobody needs them: they must be those of the champion
        _with_given(options, next(iter(models.values())))
    return found


def _with_given(options: RescoreOptions, checkpoint: Checkpoint) -> tuple[FeatureConfig, BackboneSource]:
    return backbone_of(checkpoint, options.weights, options.store, flow_weights=options.flow_weights)


def _at(root: Store, prefix: str, ended: ExtractSummary | ScoreSummary) -> DataSetAt:
    """Return the newest snapshot of a data set; raise where nothing is in it."""
    snapshot = latest_snapshot(open_store(f"{root.uri}/{prefix}", root.options))
    if snapshot is not None and snapshot.num_objects:
        return DataSetAt(prefix, snapshot.number, snapshot.fingerprint)
    first = next((f"; the first: {p['video_id']}: {p['message']}" for p in ended.problems), "")
    if ended.exit_code == EXIT_STORAGE:
        raise StorageError(f"nothing could be read or written for {prefix}{first}. Nothing was published; run again")
    raise VideoError("no_clips", f"not one clip of the archive came through for {prefix}{first}. Nothing was published")
