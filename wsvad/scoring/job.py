"""Scoring from start to end: agree, plan, run, publish. Reads like the method; the parts are elsewhere."""

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
from wsvad.scoring.agreement import agree
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
"""Clips of small units that a worker of Ray is given together: about a second of work, beside which 10 ms are little.
"""
SMALL_CLIPS = 20_000
"""Clips up to which scoring stays in this process: three and a half hours of footage at 25 frames/s, scored in
about the time that a local Ray takes to start."""

UNTRAINED = (
    "SCORES OF AN UNTRAINED NETWORK'S FEATURES: they test the machinery and mean nothing for detection. "
    "Extract with --weights and train again for real scores."
)


@dataclass(frozen=True)
class ScoreOptions:
    """What to score, where to, and how to run it; ``wsvad score --help`` explains the same options."""

    features: str
    """Root of a features data set."""
    checkpoint: str
    """Folder of a checkpoint."""
    out: str
    """Root of the scores data set."""
    window: int | None = None
    """Clips that the model sees at once; ``None``: 4096, for models that look at cuboids 1024."""
    pool: PoolOptions = field(default_factory=PoolOptions)
    store: StoreOptions = field(default_factory=StoreOptions)
    address: str | None = None
    """Of a Ray cluster; ``None``: ``RAY_ADDRESS``, else a local Ray."""
    use_ray: bool | None = None
    """False scores in this process, one video after the other; ``None``: also, where there is little to do."""
    max_quarantine: int = 0
    """Quarantined videos up to which the exit code is 0."""
    dry_run: bool = False
    verbose: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved options as JSON values; they hold no secret."""
        return asdict(self)


def score(options: ScoreOptions, console: Console | None = None) -> ScoreSummary:
    """Score every video of the features snapshot into the data set at ``options.out``; safe to kill and run again.

    Returns:
        What was found, done, set aside; ``exit_code`` says how it ended.

    Raises:
        UsageError, WeightsError: before any work.
        ConflictError: checkpoint and features do not agree, or the target was made by another configuration.
        StorageError, ClusterError: run the same command again.
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
    config = agree(checkpoint, features, options.window)
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
                workplace.open()  # a cluster that is too small is found out before anything is written
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
    """Find out which videos are left to do."""
    outcome = Outcome(features, plan_units(features, config.fingerprint))
    base = run.newest(out)
    if base:
        refuse_clashes(out, base.of(features.videos), outcome.video_rows())
    outcome.receipts = recover_stored_units(out, outcome.units, base, receipt_of, repair=not options.dry_run)
    outcome.todo = [u for u in outcome.units if u.unit_id not in outcome.receipts]
    return outcome


def _claim(out: Store, config: ScoreConfig, checkpoint: Checkpoint) -> None:
    """Make the target this configuration's data set, with the ids that a test must not meet."""
    ids, digests = encode_training_ids(checkpoint.training_ids)
    claim_dataset(out, config, digests)
    if out.create(layout.TRAINING_IDS, ids) is Created.DIFFERENT:
        raise DamagedError(
            f"{out.uri}/{layout.TRAINING_IDS} has other ids than the checkpoint was trained on; it was altered. "
            "Nothing was changed. `wsvad verify --repair` removes it; or use another --out."
        )


def _is_small(outcome: Outcome) -> tuple[bool, str]:
    """Whether this process should do it, and a phrase that says why."""
    clips = sum(u.num_clips for u in outcome.todo)
    small = clips <= SMALL_CLIPS
    return small, f"{'little' if small else 'much'} to do: {clips} clips, limit {SMALL_CLIPS}"


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
