"""Retries with exponential backoff and full jitter, limited in number and time."""

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
# not the global generator: workers with equal seeds would retry at the same time
_jitter = random.SystemRandom()


class Transient(Exception):
    """A failure that may be temporary. Its message is safe to show: no URL, header or text from the server."""


def with_retries(attempt: Callable[[], T], what: str, options: StoreOptions) -> T:
    """Return ``attempt()``, retrying while it raises ``Transient``.

    Waits a random time of up to 0.2 s, 0.4 s, ... 10 s between attempts (full jitter, so that workers that were
    throttled together do not retry together).

    Raises:
        StoreUnavailable: ``options.max_attempts`` or ``options.retry_budget_s`` is exhausted; ``__cause__`` is the
            last foreign error.
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
                    f"{what}: {failure}, after {number} attempts in {elapsed_s:.0f} s; stored objects stay valid,"
                    " run the same command again when the store is available"
                ) from failure.__cause__
        time.sleep(delay_s)
    raise AssertionError("unreachable: the last attempt returns or raises")
