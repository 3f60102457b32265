"""Where things lie below the root of a nightly job.

``current/00000012.json``      what readers use: the newest names models, features, scores and events of one whole night
``models/<digest>/``           checkpoints, copied here: what scored the archive stays at hand
``features/<fingerprint>/``    a features data set for every way of extraction that a model wants
``scores/<model>/``            a scores data set for every model
``events/<model>/``            an events data set for every model
``nights/<digest>.json``       what a night found: coverage, changes, drift
``reference/<model>/<camera>.json``  what the newest scores of a camera are held against, made once
``reference/pictures/<camera>.json``  what its newest pictures are held against, likewise
``inputs/<digest>``            copies of the files of cameras and of thresholds that nights were made with
``tombstones/<digest>.json``   videos that were purged, which later nights leave out
``verdicts/<id>.json``         what reviewers said of events, one object a record
``review/``                    pictures of events, and pages, for reviewers
``audit/``                     who looked at what; names no video
``purging.json``              a purge that was begun and did not end; the next purge ends it
``drivers/``                   who is at work
"""

from __future__ import annotations

import re

CURRENT = "current/"
MODELS = "models/"
FEATURES = "features/"
SCORES = "scores/"
EVENTS = "events/"
NIGHTS = "nights/"
DRIVERS = "drivers/"
TOMBSTONES = "tombstones/"
INPUTS = "inputs/"
REFERENCES = "reference/"
PENDING = "purging.json"
VERDICTS = "verdicts/"
REVIEW = "review/"
AUDIT = "audit/"
ABOUT = "about.json"
"""Beside the pictures of an event: says which video they are of."""


def short(digest: str) -> str:
    """Return the name of a folder that belongs to a digest or a fingerprint."""
    return digest.removeprefix("sha256:")[:32]


def is_short(name: str) -> bool:
    """Whether a folder is called as ``short`` calls it; any other is not of a nightly job."""
    return re.fullmatch("[0-9a-f]{32}", name) is not None
