"""Publish finished units while others still run, so that readers see them and a restart has little to re-read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from wsvad.errors import StorageError

log = logging.getLogger(__name__)

FIRST_AFTER_S = 600.0
TIME_FRACTION = 0.1
MAX_INTERVAL_S = 6 * 3600.0


class PeriodicPublisher:
    """Publishes the units settled so far at growing intervals. Call the instance after every receipt.

    Publishes first after ten minutes, then whenever a tenth of the run's elapsed time has passed since the last time,
    and at least every six hours. The intervals grow because units finish in another order than that of their ids, so
    that each publication of a large run rewrites nearly all lists. If the store fails, the next call retries.

    Args:
        publish: publishes everything that is settled so far.
    """

    def __init__(self, publish: Callable[[], object]) -> None:
        self._publish = publish
        self._started = self._last = time.monotonic()

    def __call__(self) -> None:
        """Publish if the interval has passed.

        Raises:
            ConflictError: another run published other videos under the same ids, so continuing is pointless.
        """
        now = time.monotonic()
        if now - self._last < min(MAX_INTERVAL_S, max(FIRST_AFTER_S, TIME_FRACTION * (now - self._started))):
            return
        try:
            self._publish()
        except StorageError as error:
            log.warning("finished units could not be published yet: %s", error)
        self._last = time.monotonic()
