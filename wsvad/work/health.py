"""Telling a store that stays broken, which ends a run, from trouble with single objects, which does not."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Generic, TypeVar

from wsvad.errors import (
    AccessDenied,
    ObjectChanged,
    ObjectNotFound,
    StorageError,
    StoreFull,
    StoreUnavailable,
    UnusablePlace,
)
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.work.receipt import Receipt, WorkUnit

log = logging.getLogger(__name__)

LASTING = frozenset({AccessDenied.__name__, StoreFull.__name__, UnusablePlace.__name__})
"""Kinds of failure that no waiting cures."""
OF_STORES = LASTING | {StoreUnavailable.__name__, StorageError.__name__}
"""Kinds of failure that are a store's doing; others are of one object, or of the machine."""
CHECK_EVERY_S = 15.0
"""A failure has cost all retries of a request already, so that the first one is reason enough to look."""
_PATIENCE_S = 10.0
_PAUSE_S = 3.0
_SAMPLES = 8

T = TypeVar("T")
Unit = TypeVar("Unit", bound=WorkUnit)


def hasty(options: StoreOptions) -> StoreOptions:
    """Return options under which a store that is gone is told within some 15 s."""
    return replace(
        options,
        max_attempts=min(options.max_attempts, 3),
        retry_budget_s=min(options.retry_budget_s, 10.0),
        connect_timeout_s=min(options.connect_timeout_s, 5.0),
        read_timeout_s=min(options.read_timeout_s, 10.0),
    )


def some(things: Sequence[T]) -> Sequence[T]:
    """Return a few of many, from all over them."""
    count = min(len(things), _SAMPLES)
    return [things[i * len(things) // count] for i in range(count)]


def readable(looks: Sequence[Callable[[], object]]) -> StorageError | None:
    """Return nothing if any of a few looks at a store succeeds, else what one of them failed with.

    A store that says that an object is gone or has changed works.

    Args:
        looks: each reads a little of another object; raises ``StorageError``.
    """

    def failure(look: Callable[[], object]) -> StorageError | None:
        try:
            look()
        except (ObjectNotFound, ObjectChanged):
            return None
        except StorageError as error:
            return error
        return None

    if not looks:
        return None
    with ThreadPoolExecutor(len(looks)) as pool:
        failures = list(pool.map(failure, looks))
    return failures[0] if all(failures) else None


class StoreHealth(Generic[Unit]):
    """Watches the receipts of a run, and looks at the stores themselves when they fail.

    Args:
        out: the data set that is written.
        units: of the run.
        look: reads a little of what a unit is made from; raises ``StorageError``.
    """

    def __init__(self, out: Store, units: Sequence[Unit], look: Callable[[Unit], object]) -> None:
        self._out = open_store(out.uri, hasty(out.options))
        self._units = units
        self._look = look
        self._failed: set[str] = set()
        self._looked = -CHECK_EVERY_S
        self.out_works = True
        """Whether the data set could be written when it was last tried."""

    def note(self, receipt: Receipt) -> None:
        """Take note of a receipt; look at the stores where it gives reason to.

        Raises:
            StorageError: a store stays broken; what was stored stays valid.
        """
        if receipt.status != "failed":
            self._failed.discard(receipt.unit_id)
            return
        if receipt.kind not in OF_STORES:
            return  # an object that is gone or changed, or a fault of the machine
        self._failed.add(receipt.unit_id)
        if receipt.kind == StoreFull.__name__:
            self.out_works = False
            raise StoreFull(receipt.message)
        if time.monotonic() - self._looked >= CHECK_EVERY_S:
            self.check()

    def check(self) -> None:
        """Write to the data set, and read of what units are made from.

        A store that is only unavailable is given 10 s more to come back.

        Raises:
            StorageError: one of the two cannot be done.
        """
        end = time.monotonic() + _PATIENCE_S
        while True:
            error = self._broken()
            if error is None:
                self._looked = time.monotonic()
                return
            if not isinstance(error, StoreUnavailable) or time.monotonic() > end:
                raise error
            log.warning("a store does not answer, waiting for it: %s", error)
            time.sleep(_PAUSE_S)

    def _broken(self) -> StorageError | None:
        try:
            self._out.probe()
        except StorageError as error:
            self.out_works = False
            return error
        self.out_works = True
        # what did not fail so far, as far as there is any: single objects may be denied or damaged
        others = [u for u in self._units if u.unit_id not in self._failed] or self._units
        return readable([functools.partial(self._look, unit) for unit in some(others)])
