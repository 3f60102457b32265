"""The one retry loop: exponential backoff with full jitter, bounded in tries and in time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from wsvad.errors import StoreUnavailable
from wsvad.storage.base import StoreOptions

T = TypeVar("T")

_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0
# own generator: workers that seed the global one alike would otherwise retry in step
_jitter = random.SystemRandom()


class Transient(Exception):
    """A failure that another try may cure. ``str()`` of it is safe to show: no URL, header or server text."""


def retrying(attempt: Callable[[], T], what: str, options: StoreOptions) -> T:
    """Return ``attempt()``, trying again while it raises ``Transient``.

    Waits a random time up to 0.2 s, 0.4 s, ... 10 s between tries (full jitter, so that many workers that were
    throttled together do not come back together).

    Raises:
        StoreUnavailable: the tries (``options.max_attempts``) or the time (``options.retry_budget_s``) are spent;
            ``__cause__`` is the last foreign error.
    """
    started = time.monotonic()
    for number in range(1, options.max_attempts + 1):
        try:
            return attempt()
        except Transient as failure:
            delay_s = _jitter.uniform(0, min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (number - 1)))
            elapsed_s = time.monotonic() - started
            if number == options.max_attempts or elapsed_s + delay_s > options.retry_budget_s:
                raise StoreUnavailable(
                    f"{what}: {failure}, still after {number} tries in {elapsed_s:.0f} s; what is stored stays valid,"
                    " run the same command again when the store is back"
                ) from failure.__cause__
        time.sleep(delay_s)
    raise AssertionError("unreachable: the last try returns or raises")
