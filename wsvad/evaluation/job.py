"""``wsvad evaluate``: compute ``report.json`` and ``report.html`` from scores and a manifest. Needs no cluster."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from wsvad.dataset.published import refuse_data_set
from wsvad.documents import DocumentError, parse_object
from wsvad.errors import ConflictError, ManifestError, ObjectNotFound
from wsvad.evaluation.document import REPORT_VERSION, compute_metrics, identity_of, warnings_of
from wsvad.evaluation.events import choose_operating_point, events_section
from wsvad.evaluation.gather import gather, records_of_split
from wsvad.evaluation.leaks import check_leaks, shared_ids
from wsvad.evaluation.page import PageInput, page
from wsvad.evaluation.summary import EvaluateSummary
from wsvad.events.thresholds import Thresholds, load_thresholds
from wsvad.features.config_text import config_fields
from wsvad.manifest.names import Split
from wsvad.manifest.records import VideoRecord, decode_records
from wsvad.metrics.event_options import EventOptions
from wsvad.metrics.metric import Resamples
from wsvad.metrics.options import MetricOptions, TruthMode
from wsvad.provenance import versions
from wsvad.report import heatmaps
from wsvad.report.frames import Pictures, peak_frames
from wsvad.scores.reading import ScoreSet
from wsvad.storage import Store, StoreOptions, open_object, open_store, probe_folder
from wsvad.video import Limits, check_sandbox

log = logging.getLogger("wsvad")

JSON, HTML = "report.json", "report.html"


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of an evaluation, the same as those of ``wsvad evaluate``."""

    scores: str
    """URI of a scores data set."""
    manifest: str
    """URI of a manifest with splits and ground truth."""
    out: str
    """URI of the folder or prefix of the report."""
    split: Split = "test"
    truth_mode: TruthMode = "true"
    metrics: MetricOptions = field(default_factory=MetricOptions)
    events: EventOptions = field(default_factory=EventOptions)
    allow_missing: bool = False
    """Exclude videos without scores instead of raising an error."""
    distinct_names: bool = False
    """Treat equal file names with different ids as different videos."""
    replace: bool = False
    """Replace a report of other inputs or options."""
    frames: bool = True
    """Show frames of the videos in the report."""
    limits: Limits = field(default_factory=Limits)
    """Limits of the decoder that they come from."""
    videos_root: str | None = None
    """Base of relative video URIs; None: the manifest's folder."""
    store: StoreOptions = field(default_factory=StoreOptions)
    command: Sequence[str] = ()
    """Command line, for the report."""


@dataclass(frozen=True)
class _Inputs:
    """Inputs that were opened and checked before any work."""

    records: list[VideoRecord]
    """Records of the split."""
    manifest: list[VideoRecord]
    """All records."""
    scores: ScoreSet
    thresholds: Thresholds | None
    distinct: list[tuple[str, str]]
    inputs: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    identity: str


def evaluate(options: EvaluateOptions) -> EvaluateSummary:
    """Compute all metrics and write the report.

    Raises:
        UsageError: there is nothing to evaluate, scores or ground truth are invalid, or training videos are evaluated.
        ConflictError: the target has a report of other inputs or options, and ``replace`` is false.
        StorageError: the store failed.
    """
    if options.frames:
        check_sandbox(options.limits)
    opened = _open(options)
    target = open_store(options.out, options.store)
    refuse_data_set(target, "a report")
    if not options.replace:
        _check_target(target, opened.identity)
    probe_folder(options.out, options.store)
    scores = opened.scores
    features = scores.config.get("features", {})
    found = gather(
        opened.records, scores.video_ids, scores.load, features, options.truth_mode, allow_missing=options.allow_missing
    )
    log.info("evaluating %d videos of split %s", len(found.results), options.split)
    point = choose_operating_point(
        options.events, opened.thresholds, opened.manifest, scores.video_ids, scores.load, options.split
    )
    computed = compute_metrics(found, options.metrics)
    resamples = Resamples.of(found.results, options.metrics)
    computed["events"] = events_section(found.results, resamples, options.events, point)
    pictures, reasons = _pictures(options, found.results, computed["per_video"])
    if reasons:
        video_id, reason = next(iter(reasons.items()))
        computed["notes"].append(f"{len(reasons)} frames are not shown, e.g. of {video_id}: {reason}")
    seen = shared_ids(scores.training_ids, [result.record for result in found.results])
    document = {
        "report_version": REPORT_VERSION,
        "title": _title(scores),
        "identity": opened.identity,
        "created_utc": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": list(options.command),
        "split": options.split,
        "warnings": warnings_of(computed, options.split, seen, features.get("weights"), opened.distinct),
        "features": config_fields(features),
        "inputs": opened.inputs,
        "options": opened.settings,
        "versions": versions(),
        **computed,
    }
    drawn = page(PageInput(document, found.results, pictures, features))
    target.replace(HTML, drawn.encode("utf-8", "backslashreplace"))
    target.replace(JSON, json.dumps(document, indent=1, allow_nan=False).encode())
    return EvaluateSummary(document, target.uri_of(JSON), target.uri_of(HTML))


def _open(options: EvaluateOptions) -> _Inputs:
    store, key = open_object(options.manifest, options.store)
    try:
        manifest = store.read(key)
    except ObjectNotFound as error:
        raise ManifestError(f"the manifest does not exist: {error}") from error
    records = decode_records(manifest, name=options.manifest)
    scores = ScoreSet.open(options.scores, options.store)
    chosen = records_of_split(records, options.split)
    distinct: list[tuple[str, str]] = []
    if options.split == "test":
        distinct = check_leaks(scores.training_ids, chosen, records, names_are_distinct=options.distinct_names)
    inputs: dict[str, dict[str, Any]] = {
        "scores": {
            "uri": scores.uri,
            "snapshot": scores.snapshot.number,
            "digest": f"sha256:{scores.snapshot_digest}",
            "fingerprint": scores.fingerprint,
            "config": scores.config,
            "training_videos": len(scores.training_ids),
        },
        "manifest": {"uri": options.manifest, "digest": f"sha256:{hashlib.sha256(manifest).hexdigest()}"},
    }
    thresholds = _thresholds(options, scores, inputs)
    settings = {
        "split": options.split,
        "truth_mode": options.truth_mode,
        "allow_missing": options.allow_missing,
        "distinct_names": options.distinct_names,
        **asdict(options.metrics),
        **options.events.changed(),  # without defaults, so that reports of earlier versions keep their identity
    }
    identity = identity_of({name: part["digest"] for name, part in inputs.items()}, settings)
    return _Inputs(chosen, records, scores, thresholds, distinct, inputs, settings, identity)


def _thresholds(options: EvaluateOptions, scores: ScoreSet, inputs: dict[str, dict[str, Any]]) -> Thresholds | None:
    """Read the thresholds file of the options, if any, and add it to the inputs."""
    uri = options.events.thresholds
    if uri is None:
        return None
    found, digest = load_thresholds(uri, options.store)
    found.check_model(str(scores.config.get("checkpoint")))
    inputs["thresholds"] = {"uri": uri, "digest": digest}
    return found


def _title(scores: ScoreSet) -> str:
    name = scores.config.get("model", {}).get("name", "model")
    return f"{name} on {scores.uri.rstrip('/').rsplit('/', 1)[-1]}"


def _pictures(options: EvaluateOptions, results: Any, rows: Any) -> tuple[Pictures, dict[str, str]]:
    if not options.frames:
        return {}, {}
    shown = [results[n] for n in heatmaps.choose(results, rows)]
    if not shown:
        return {}, {}
    return peak_frames(shown, options.manifest, options.videos_root, options.store, options.limits)


def _check_target(target: Store, identity: str) -> None:
    """Raise ``ConflictError`` if the target has a report of other inputs or options."""
    try:
        existing = parse_object(target.read(JSON)).get("identity")
    except ObjectNotFound:
        return
    except DocumentError:
        existing = None
    if existing != identity:
        raise ConflictError(
            f"{target.uri_of(JSON)} is a report of other scores, ground truth or options and was not changed. Use "
            "another --out, or replace it with --replace."
        )
