"""What a person is told when Ctrl-C or SIGTERM ended a command."""

from __future__ import annotations

import logging
from collections.abc import Callable

from wsvad import signals

log = logging.getLogger(__name__)

_GO_ON = "the same command goes on from here"
_UNITS = f"finished units are kept; {_GO_ON}"
_STATE = f"the last state that was saved is kept; {_GO_ON}"
_KEPT = {
    "extract": _UNITS,
    "import-features": _UNITS,
    "score": _UNITS,
    "train": _STATE,
    "pretrain": _STATE,
    "ablate": f"finished runs, and states of the others, are kept; {_GO_ON}",
    "compare": f"finished runs, and states of the others, are kept; {_GO_ON}",
    "tune": f"finished trainings, and states of the others, are kept; {_GO_ON}",
    "review": f"pictures that were made, and verdicts that were acknowledged, are kept; {_GO_ON}",
    "demo": f"what is finished is kept; {_GO_ON}",
}
_AGAIN = "run the same command again"


def stoppable(verb: str, command: Callable[[], int]) -> int:
    """Run a command; return its exit code, or 130 or 143 where a signal arrived meanwhile.

    What a command fails with after a signal is taken for the signal's doing: libraries turn an interruption into
    errors of their own.
    """
    try:
        with signals.working():
            code = command()
        if not signals.arrived():
            return code
        error = None
    except BaseException as caught:
        if not isinstance(caught, KeyboardInterrupt) and not signals.arrived():
            raise
        error = caught
    code, what = signals.acknowledge(error)
    log.debug("it was interrupted here", exc_info=error)
    log.error("%s: %s", what, _KEPT.get(verb, _AGAIN))
    return code
