"""Message after Ctrl-C or SIGTERM has ended a command."""

from __future__ import annotations

import logging
from collections.abc import Callable

from wsvad import signals

log = logging.getLogger(__name__)

_GO_ON = "run the same command again to continue"
_UNITS = f"finished units are kept; {_GO_ON}"
_STATE = f"the last saved state is kept; {_GO_ON}"
_KEPT = {
    "extract": _UNITS,
    "import-features": _UNITS,
    "score": _UNITS,
    "train": _STATE,
    "pretrain": _STATE,
    "ablate": f"finished runs and the states of others are kept; {_GO_ON}",
    "compare": f"finished runs and the states of others are kept; {_GO_ON}",
    "tune": f"finished trainings and the states of others are kept; {_GO_ON}",
    "review": f"created pictures and acknowledged verdicts are kept; {_GO_ON}",
    "demo": f"finished steps are kept; {_GO_ON}",
}
_AGAIN = "run the same command again"


def stoppable(verb: str, command: Callable[[], int]) -> int:
    """Run a command; return its exit code, or 130 or 143 if a signal arrived.

    Errors after a signal are attributed to the signal, because libraries turn interruptions into errors of their own.
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
    log.debug("interrupted here", exc_info=error)
    log.error("%s: %s", what, _KEPT.get(verb, _AGAIN))
    return code
