"""Reads the data to review from a nightly job or from data sets: events, scores, cameras, and the night's report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from wsvad.cameras.config import Camera
from wsvad.cameras.reading import read_cameras
from wsvad.dataset.layout import snapshot_key
from wsvad.dataset.published import published_snapshot, published_videos
from wsvad.dataset.snapshots import Snapshot, read_snapshot
from wsvad.errors import ConflictError, DamagedError, ObjectNotFound, UsageError
from wsvad.events.config import EventsConfig, EventSettings
from wsvad.events.reading import read_rows
from wsvad.events.sources import read_sources
from wsvad.events.thresholds import load_thresholds
from wsvad.events.units import settings_of
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.nightly.published import SnapshotRef, require_current
from wsvad.review.config import SourceOptions
from wsvad.scores.reading import ScoreSet
from wsvad.storage import Store, open_store

_READERS = 16


@dataclass(frozen=True)
class Archive:
    """The published data to review."""

    source: Mapping[str, Any]
    """Origin of the data, as shown on the page."""
    rows: tuple[Mapping[str, Any], ...]
    """Rows of all units: events, scored spans, unscored spans."""
    scores: ScoreSet
    cameras: Mapping[str, Camera]
    """Settings of each camera with resolved thresholds."""
    settings: EventSettings
    """Settings for cameras without their own thresholds."""
    features: Mapping[str, Any]
    """Configuration of the features, which determines the position of the grid of cuboids."""
    records: Mapping[str, VideoRecord] = field(default_factory=dict)
    """Records of the manifest by video id."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """Report of the night; empty for data sets."""
    archive: str | None = None
    """URI of the archive of the nightly job."""
    indexes: str | None = None
    """Root of the features data set with stored video indexes."""

    @property
    def events(self) -> list[Mapping[str, Any]]:
        """Rows of events."""
        return [row for row in self.rows if row["kind"] == "event"]

    def settings_of(self, camera: str) -> EventSettings:
        """Return the operating point of a camera."""
        found = self.cameras.get(camera)
        return settings_of(found, self.settings) if found else self.settings


def read_archive(options: SourceOptions) -> Archive:
    """Read the data to review.

    Raises:
        UsageError: nothing was published, or the options do not match the data.
        ConflictError: the events were found in other scores.
        DamagedError, StorageError: the data cannot be read.
    """
    records = {r.video_id: r for r in read_records(options.manifest, options.store)} if options.manifest else {}
    return _of_night(options, records) if options.root else _of_data_sets(options, records)


def _of_night(options: SourceOptions, records: Mapping[str, VideoRecord]) -> Archive:
    assert options.root
    root = open_store(options.root, options.store)
    night = require_current(root)
    shown = night.shown
    store = open_store(f"{root.uri}/{shown.events.prefix}", root.options)
    snapshot = _snapshot_at(store, shown.events)
    scores = _scores_at(open_store(f"{root.uri}/{shown.scores.prefix}", root.options), shown.scores)
    cameras = read_sources(scores, read_cameras(root.uri_of(night.cameras) if night.cameras else None, options.store))[
        1
    ]
    for key in night.thresholds:
        thresholds, _ = load_thresholds(root.uri_of(key), options.store)
        if thresholds.checkpoint == night.champion:
            cameras = {name: thresholds.apply_to(camera) for name, camera in cameras.items()}
    source = {
        "root": root.uri,
        "night": night.number,
        "night_utc": night.created_utc,
        "run_id": night.run_id,
        **_described(scores, snapshot),
    }
    report = night.report(root)
    if report.get("champion", night.champion) != night.champion:  # promoted since: the report is about another model
        report = {"coverage": report["coverage"]}
    return replace(
        _archive(source, store, snapshot, scores, cameras, records),
        report=report,
        archive=night.archive,
        indexes=f"{root.uri}/{shown.features.prefix}",
    )


def _of_data_sets(options: SourceOptions, records: Mapping[str, VideoRecord]) -> Archive:
    assert options.events
    assert options.scores
    store = open_store(options.events, options.store)
    snapshot = published_snapshot(store, EventsConfig.kind, "events")
    scores = ScoreSet.open(options.scores, options.store)
    if snapshot.config["scores_fingerprint"] != scores.fingerprint:
        raise ConflictError(
            f"the events in {store.uri} were found in other scores than those in {scores.uri}: expected fingerprint "
            f"{str(snapshot.config['scores_fingerprint'])[:12]}, got {scores.fingerprint[:12]}"
        )
    cameras = read_sources(scores, read_cameras(options.cameras, options.store))[1]
    source = {"root": store.uri, "night": None, "night_utc": None, "run_id": snapshot.run_id}
    return _archive(source | _described(scores, snapshot), store, snapshot, scores, cameras, records)


def _described(scores: ScoreSet, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "model": str(scores.config["checkpoint"]),
        "model_name": scores.config.get("model", {}).get("name"),
        "events_snapshot": snapshot.number,
    }


def _archive(
    source: Mapping[str, Any],
    store: Store,
    snapshot: Snapshot,
    scores: ScoreSet,
    cameras: Mapping[str, Camera],
    records: Mapping[str, VideoRecord],
) -> Archive:
    settings = EventSettings(**snapshot.config["settings"])
    rows = _rows(store, snapshot)
    return Archive(source, rows, scores, cameras, settings, snapshot.config.get("features", {}), records)


def _rows(store: Store, snapshot: Snapshot) -> tuple[Mapping[str, Any], ...]:
    with ThreadPoolExecutor(_READERS) as pool:
        return tuple(row for unit in pool.map(partial(read_rows, store, snapshot), snapshot.objects) for row in unit)


def _snapshot_at(store: Store, at: SnapshotRef) -> Snapshot:
    try:
        return read_snapshot(store, snapshot_key(at.snapshot))
    except ObjectNotFound as error:
        raise DamagedError(f"{store.uri} lacks the snapshot named by the newest night: {error}") from error


def _scores_at(store: Store, at: SnapshotRef) -> ScoreSet:
    """Open the scores snapshot of a night; a newer snapshot may belong to an unfinished night."""
    snapshot = _snapshot_at(store, at)
    units = {o.video_id: o for o in snapshot.objects if o.clips}
    if not units:
        raise UsageError(f"snapshot {snapshot.number} of {store.uri} has no scores; there is nothing to review")
    return ScoreSet(store, snapshot, (), dict(sorted(units.items())), published_videos(store, snapshot, units))


def digest_source(archive: Archive, more: Mapping[str, Any]) -> str:
    """Return the id of a review: a digest of everything that determines what is shown, as ``sha256:…``."""
    parts = {name: archive.source[name] for name in ("root", "model", "events_snapshot")}
    whole = json.dumps({**parts, "settings": archive.settings.to_dict(), **more}, sort_keys=True)
    return f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"
