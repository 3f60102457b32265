"""Parse, call one verb, turn what it raises into a message and an exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from wsvad import signals
from wsvad.cli.output import guarded
from wsvad.cli.parser import build, module_of, parse
from wsvad.cli.stopping import stoppable
from wsvad.errors import UsageError, WsvadError
from wsvad.storage import check_folder

log = logging.getLogger("wsvad")

VERBS = {
    "extract": "Extract I3D features of a folder, bucket or manifest of videos.",
    "import-features": "Import features made by others (.npy, text) as a features data set.",
    "train": "Train a model on features and video-level labels; Ray Train, or one process.",
    "score": "Score every clip of features, or of videos, with a trained model.",
    "events": "Find events per camera and day in the scores of its videos.",
    "rescore": "Bring scores and events of an archive up to date, a whole night at a time.",
    "promote": "Show readers what another model made of the archive, or the one before.",
    "purge": "Take videos out of everything that nights made of them, for good.",
    "review": "Show events with their pictures on a page, for people to judge.",
    "verdicts": "What reviewers said: precision, recall, thresholds, and videos for the next training.",
    "evaluate": "Compare scores with the truth of a manifest: figures with intervals, and a page.",
    "compare": "Train, score and evaluate several models with several seeds; one table.",
    "ablate": "What a model owes to each of its parts: rows that differ in one, paired with a base.",
    "tune": "Search settings of a model on validation videos: Ray Tune, seeds, finals on fresh seeds.",
    "verify": "Prove features or scores complete: whole objects, every clip once.",
    "manifest": "Make the manifest of a public data set from its published annotation files.",
    "weights": "List, fetch, convert and verify weights of the networks that features come from.",
    "pretrain": "Train the embedded backbone again, on video that it renders itself; Ray Train.",
    "doctor": "Check this machine, a store and a cluster before a long job.",
    "demo": "The whole story on videos that it renders itself: features, both models, a report.",
    "completion": "Print what makes a shell complete verbs, options and choices.",
}
"""Every verb with what it does; its module in this package bears its name, with ``_`` for ``-``."""

WRITES = (
    "extract", "import-features", "train", "score", "events", "review", "evaluate", "compare", "ablate", "tune",
    "pretrain",
)  # fmt: skip
"""Verbs that write into the folder that ``--out`` names."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code ; wrong options end it by ``SystemExit`` with 2."""
    with signals.handled():
        return guarded(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> int:
    _set_up_logging(verbose=False)
    try:
        parsed = parse(build(VERBS, [word for word in words if word in VERBS][:1]), words)
        _set_up_logging(verbose=parsed.options.verbose)
        out = getattr(parsed.options, "out", None)
        if out and out.lower().startswith("memory:"):
            raise UsageError("--out memory:// is lost with the process; expected a plain path, file://, s3://, …")
        if parsed.verb in WRITES and out:
            check_folder(out)
        return stoppable(parsed.verb, lambda: int(module_of(parsed.verb).run(parsed.options)))
    except WsvadError as error:
        log.error("%s", error)
        return error.exit_code


def _set_up_logging(*, verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    log.handlers[:] = [handler]
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
