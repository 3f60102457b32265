"""Entry point: parses the command line, runs a command, and turns errors into a message and an exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from wsvad import signals
from wsvad.cli.options import Common
from wsvad.cli.output import guarded
from wsvad.cli.parser import build, module_of, parse
from wsvad.cli.stopping import stoppable
from wsvad.errors import UsageError, WsvadError
from wsvad.storage import check_folder

log = logging.getLogger("wsvad")

VERBS = {
    "extract": "Extract I3D features from a folder, bucket or manifest of videos.",
    "import-features": "Import existing features (.npy, text) as a features data set.",
    "train": "Train a model on features and video-level labels, with Ray Train or in one process.",
    "score": "Score every clip of features or videos with a trained model.",
    "events": "Find events per camera and day in scores.",
    "rescore": "Nightly job: bring scores and events of an archive up to date.",
    "promote": "Make another scored model, or the previous one, the champion of a nightly job.",
    "purge": "Permanently remove videos from all results of a nightly job.",
    "review": "Create or serve a page with events and their pictures for human review.",
    "verdicts": "Process verdicts of reviewers: precision, recall, thresholds, and a training manifest.",
    "evaluate": "Evaluate scores against annotations: metrics with intervals, and an HTML report.",
    "compare": "Train, score and evaluate several models with several seeds, and write one table.",
    "ablate": "Ablation study: vary one factor per row, paired with a base.",
    "tune": "Tune settings of a model on validation videos with Ray Tune; finals use fresh seeds.",
    "verify": "Verify that a data set, run, sweep, checkpoint or nightly job is complete and intact.",
    "manifest": "Create the manifest of a public data set from its published annotation files.",
    "weights": "List, fetch, convert and verify weights of the backbones.",
    "pretrain": "Train the embedded backbone on rendered video, with Ray Train.",
    "doctor": "Check this machine, a store and a cluster before a long job.",
    "demo": "Run the complete workflow on rendered videos: features, models, a report.",
    "completion": "Print the shell completion script.",
}
"""Every command with its description; its module in this package has the same name, with ``_`` for ``-``."""

WRITES = (
    "extract", "import-features", "train", "score", "events", "review", "evaluate", "compare", "ablate", "tune",
    "pretrain",
)  # fmt: skip
"""Commands that write into the folder given by ``--out``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Invalid options raise ``SystemExit`` with code 2."""
    with signals.handled():
        return guarded(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> int:
    _set_up_logging(verbose=False)
    try:
        parsed = parse(build(VERBS, [word for word in words if word in VERBS][:1]), words)
        _set_up_logging(verbose=parsed.options.verbose)
        check_out(parsed.verb, parsed.options)
        return stoppable(parsed.verb, lambda: int(module_of(parsed.verb).run(parsed.options)))
    except WsvadError as error:
        log.error("%s", error)
        return error.exit_code


def check_out(verb: str, options: Common) -> None:
    """Raise ``UsageError`` where ``--out`` cannot hold results."""
    out = getattr(options, "out", None)
    if out and out.lower().startswith("memory:"):
        raise UsageError("--out memory:// is lost with the process; use a plain path, file:// or s3://")
    if verb in WRITES and out:
        check_folder(out)


def _set_up_logging(*, verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    log.handlers[:] = [handler]
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
