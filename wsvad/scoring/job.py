"""``wsvad score`` from start to end: check compatibility, plan, run, publish."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from wsvad.checkpoint import Checkpoint, load_checkpoint
from wsvad.dataset import layout
from wsvad.dataset.publish import refuse_clashes
from wsvad.dataset.snapshots import Snapshot, claim_dataset
from wsvad.dataset.training_ids import encode_training_ids
from wsvad.errors import DamagedError
from wsvad.features.reading import FeatureSet
from wsvad.scores.config import ScoreConfig
from wsvad.scoring.compatibility import check_compatible
from wsvad.scoring.results import Outcome
from wsvad.scoring.summary import ScoreSummary
from wsvad.scoring.units import ScoreUnit, plan_units
from wsvad.scoring.worker import Payload, VideoScorer, WorkerConfig, receipt_of
from wsvad.storage import Created, Store, StoreOptions, open_store
from wsvad.work.health import with_short_timeouts
from wsvad.work.outcome import unsettled
from wsvad.work.pool import PoolOptions
from wsvad.work.record import Run
from wsvad.work.run_units import run_units
from wsvad.work.session import ExecutionSession
from wsvad.work.stored import recover_stored_units
from wsvad.work.target import open_target

log = logging.getLogger(__name__)

PACK_CLIPS = 1000
"""Clips of small units per task of a Ray worker: about a second of work, against which 10 ms of overhead are small."""
SMALL_CLIPS = 20_000
"""Maximum number of clips that are scored in this process: 3.5 hours of footage at 25 frames/s, which take about as
long as the start of a local Ray."""

UNTRAINED = (
    "SCORES OF AN UNTRAINED NETWORK'S FEATURES: use them only to test the pipeline, not for detection. "
    "Extract with --weights and train again for real scores."
)


@dataclass(frozen=True)
class ScoreOptions:
    """Options of scoring, the same as those of ``wsvad score``."""

    features: str
    """URI of a features data set."""
    checkpoint: str
    """URI of a checkpoint folder."""
    out: str
    """URI of the scores data set."""
    window: int | None = None
    """Number of clips that the model processes at once; ``None``: 4096, or 1024 for cuboid models."""
    pool: PoolOptions = field(default_factory=PoolOptions)
    store: StoreOptions = field(default_factory=StoreOptions)
    address: str | None = None
    """Address of a Ray cluster; ``None``: ``RAY_ADDRESS``, else a local Ray."""
    use_ray: bool | None = None
    """False scores in this process, one video after the other; ``None`` does so for small jobs."""
    max_quarantine: int = 0
    """Maximum number of quarantined videos for exit code 0."""
    dry_run: bool = False
    verbose: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved options as JSON values, without secrets."""
        return asdict(self)


def score(options: ScoreOptions, console: Console | None = None) -> ScoreSummary:
    """Score every video of the features snapshot into ``options.out``. The run can be killed and repeated safely.

    Returns:
        A summary of the videos found, scored and quarantined, with ``exit_code``.

    Raises:
        UsageError, WeightsError: invalid input; raised before any work is done.
        ConflictError: checkpoint and features are incompatible, or the target was made with another configuration.
        StorageError, ClusterError: a store or the cluster failed; run the same command again.
    """
    run = Run()
    workplace = ExecutionSession(
        options.pool,
        lambda: Payload(checkpoint, features),
        options.address,
        use_ray=options.use_ray,
        action="scores",
        verbose=options.verbose,
    )
    checkpoint = load_checkpoint(options.checkpoint, options.store)
    features = FeatureSet.open(options.features, options.store)
    config = check_compatible(checkpoint, features, options.window)
    if checkpoint.untrained_features:
        log.warning("%s", UNTRAINED)
    out = open_target(options.out, options.store, config, dry_run=options.dry_run)
    outcome = _plan(options, out, features, config, run)
    snapshot = None
    if outcome.todo:
        workplace.choose_backend(*_is_small(outcome))
    if not options.dry_run:
        with workplace:
            if outcome.todo:
                workplace.open()  # raises if the cluster is too small, before anything is written
            _claim(out, config, checkpoint)
            if outcome.todo:
                _score(config, out, outcome, workplace, run, console or Console(stderr=True))
                left = unsettled(outcome.todo, outcome.receipts)
                outcome.receipts |= recover_stored_units(out, left, run.newest(out), receipt_of, repair=False)
        snapshot = _publish(out, config, outcome, run)
    summary = ScoreSummary(
        out=options.out,
        snapshot=layout.snapshot_key(snapshot.number) if snapshot else None,
        fingerprint=config.fingerprint,
        checkpoint=config.checkpoint,
        model=checkpoint.model_config.name,
        banner=UNTRAINED if checkpoint.untrained_features else "",
        features=features.uri,
        dry_run=options.dry_run,
        max_quarantine=options.max_quarantine,
        **workplace.summary_fields(bool(outcome.todo)),
        **_rates(outcome, run.elapsed_s),
    )
    if snapshot and (outcome.todo or snapshot.run_id == run.run_id):
        inputs = {"features_digest": features.snapshot_digest, "features_snapshot": features.snapshot.number}
        resolved = {**options.to_dict(), **inputs, "scores": config.to_dict(), "fingerprint": config.fingerprint}
        run.write_record(out, resolved, summary)
    return summary


def _plan(options: ScoreOptions, out: Store, features: FeatureSet, config: ScoreConfig, run: Run) -> Outcome:
    """Find the videos that are left to score."""
    outcome = Outcome(features, plan_units(features, config.fingerprint))
    base = run.newest(out)
    if base:
        refuse_clashes(out, base.of(features.videos), outcome.video_rows())
    outcome.receipts = recover_stored_units(out, outcome.units, base, receipt_of, repair=not options.dry_run)
    outcome.todo = [u for u in outcome.units if u.unit_id not in outcome.receipts]
    return outcome


def _claim(out: Store, config: ScoreConfig, checkpoint: Checkpoint) -> None:
    """Create the data set of this configuration, with the training ids for later leak checks."""
    ids, digests = encode_training_ids(checkpoint.training_ids)
    claim_dataset(out, config, digests)
    if out.create(layout.TRAINING_IDS, ids) is Created.DIFFERENT:
        raise DamagedError(
            f"{out.uri}/{layout.TRAINING_IDS} differs from the ids that the checkpoint was trained on; it was altered. "
            "Nothing was changed. Remove it with `wsvad verify --repair`, or use another --out."
        )


def _is_small(outcome: Outcome) -> tuple[bool, str]:
    """Return whether the job is small enough for this process, and the reason as text."""
    clips = sum(u.num_clips for u in outcome.todo)
    small = clips <= SMALL_CLIPS
    return small, f"{'small' if small else 'large'} job: {clips} clips, limit {SMALL_CLIPS}"


def _score(
    config: ScoreConfig, out: Store, outcome: Outcome, workplace: ExecutionSession[Payload], run: Run, console: Console
) -> None:
    def look(unit: ScoreUnit) -> object:
        store = outcome.features.store
        return open_store(store.uri, with_short_timeouts(store.options)).stat(
            outcome.features.units[unit.video_id][0].key
        )

    pool = workplace.open()
    run_units(
        outcome.todo,
        workplace.runner(
            VideoScorer,
            WorkerConfig(config, out.uri, pool.device, pool.threads, out.options),
            pack_clips=PACK_CLIPS,
        ),
        outcome.receipts,
        workplace,
        out,
        probe_input=look,
        publish=lambda: _publish(out, config, outcome, run),
        console=console,
        activity="scoring",
    )


def _rates(outcome: Outcome, elapsed_s: float) -> dict[str, Any]:
    counts = outcome.counts()
    rate = round(counts["clips_now"] / elapsed_s, 3) if elapsed_s else 0.0
    return {**counts, "elapsed_s": round(elapsed_s, 3), "clips_per_s": rate}


def _publish(out: Store, config: ScoreConfig, outcome: Outcome, run: Run) -> Snapshot:
    return run.publish(out, config, outcome.objects, outcome.video_rows(), outcome.features.videos)
