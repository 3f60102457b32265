"""Layout of the objects below the root of a nightly job.

``current/00000012.json``      pointers; the newest names models, features, scores and events of one complete night
``models/<digest>/``           copies of the checkpoints, so that the models that scored the archive stay available
``features/<fingerprint>/``    one features data set per feature configuration
``scores/<model>/``            one scores data set per model
``events/<model>/``            one events data set per model
``nights/<digest>.json``       report of a night: coverage, changes, drift
``reference/<model>/<camera>.json``  reference for the newest scores of a camera, created once
``reference/pictures/<camera>.json``  reference for the newest pictures of a camera, created once
``inputs/<digest>``            copies of the cameras and thresholds files that nights used
``tombstones/<digest>.json``   purged videos, which later nights skip
``verdicts/<id>.json``         verdicts of reviewers on events, one object per record
``review/``                    pictures of events, and pages, for reviewers
``audit/``                     access log of reviewers; contains no video ids
``purging.json``               an unfinished purge; the next purge finishes it
``drivers/``                   leases of running jobs
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
PENDING_PURGE = "purging.json"
VERDICTS = "verdicts/"
REVIEW = "review/"
AUDIT = "audit/"
ABOUT = "about.json"
"""Object beside the pictures of an event that names their video."""


def folder_name(digest: str) -> str:
    """Return the folder name for a digest or a fingerprint."""
    return digest.removeprefix("sha256:")[:32]


def is_folder_name(name: str) -> bool:
    """Whether ``name`` has the form of :func:`folder_name`; other folders do not belong to a nightly job."""
    return re.fullmatch("[0-9a-f]{32}", name) is not None
