"""Publishing while units still run: readers see progress, and a crash leaves little to read again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from wsvad.errors import StorageError

log = logging.getLogger(__name__)

FIRST_AFTER_S = 600.0
SHARE = 0.1
LONGEST_S = 6 * 3600.0


class Interim:
    """Publishes what there is so far, now and then; call it after every receipt.

    The first time after ten minutes, later whenever a tenth of the run's time has passed since the last time, but at
    least every six hours: units end in another order than that of their ids, so that each publication of a large run
    writes nearly all of its lists. A store that fails here is asked again the next time.

    Args:
        publish: publishes everything that is settled so far.
    """

    def __init__(self, publish: Callable[[], object]) -> None:
        self._publish = publish
        self._started = self._last = time.monotonic()

    def __call__(self) -> None:
        """Publish if it is time.

        Raises:
            ConflictError: another run published other videos under the same ids; going on would be for nothing.
        """
        now = time.monotonic()
        if now - self._last < min(LONGEST_S, max(FIRST_AFTER_S, SHARE * (now - self._started))):
            return
        try:
            self._publish()
        except StorageError as error:
            log.warning("what is finished so far was not published: %s", error)
        self._last = time.monotonic()
