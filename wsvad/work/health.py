"""Distinguish a store that stays unavailable, which ends a run, from failures of single objects, which do not."""

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

PERMANENT_KINDS = frozenset({AccessDenied.__name__, StoreFull.__name__, UnusablePlace.__name__})
"""Kinds of failure that waiting does not resolve."""
STORE_KINDS = PERMANENT_KINDS | {StoreUnavailable.__name__, StorageError.__name__}
"""Kinds of failure caused by a store. Other kinds concern one object or the machine."""
CHECK_EVERY_S = 15.0
"""Minimum time between checks. A failed request has already used all its retries, so the first failure triggers one."""
_PATIENCE_S = 10.0
_PAUSE_S = 3.0
_SAMPLES = 8

T = TypeVar("T")
Unit = TypeVar("Unit", bound=WorkUnit)


def with_short_timeouts(options: StoreOptions) -> StoreOptions:
    """Return a copy of the options with which an unavailable store is detected within about 15 s."""
    return replace(
        options,
        max_attempts=min(options.max_attempts, 3),
        retry_budget_s=min(options.retry_budget_s, 10.0),
        connect_timeout_s=min(options.connect_timeout_s, 5.0),
        read_timeout_s=min(options.read_timeout_s, 10.0),
    )


def sample_evenly(things: Sequence[T]) -> Sequence[T]:
    """Return up to 8 items, evenly spaced over the sequence."""
    count = min(len(things), _SAMPLES)
    return [things[i * len(things) // count] for i in range(count)]


def check_readable(probes: Sequence[Callable[[], object]]) -> StorageError | None:
    """Return ``None`` if any probe succeeds, else the error of the first one.

    ``ObjectNotFound`` and ``ObjectChanged`` count as success, because the store answered.

    Args:
        probes: functions that each read a small part of a different object; they raise ``StorageError``.
    """

    def failure(probe: Callable[[], object]) -> StorageError | None:
        try:
            probe()
        except (ObjectNotFound, ObjectChanged):
            return None
        except StorageError as error:
            return error
        return None

    if not probes:
        return None
    with ThreadPoolExecutor(len(probes)) as pool:
        failures = list(pool.map(failure, probes))
    return failures[0] if all(failures) else None


class StoreHealth(Generic[Unit]):
    """Watches the receipts of a run and checks the stores when units fail.

    Args:
        out: data set that is written.
        units: all units of the run.
        probe_input: reads a small part of a unit's input; raises ``StorageError``.
    """

    def __init__(self, out: Store, units: Sequence[Unit], probe_input: Callable[[Unit], object]) -> None:
        self._out = open_store(out.uri, with_short_timeouts(out.options))
        self._units = units
        self._probe_input = probe_input
        self._failed: set[str] = set()
        self._checked_at = -CHECK_EVERY_S
        self.out_works = True
        """Whether the last check could write to the data set."""

    def note(self, receipt: Receipt) -> None:
        """Process a receipt, and check the stores if it reports a failure of a store.

        Raises:
            StorageError: a store stays unavailable. Stored units stay valid.
        """
        if receipt.status != "failed":
            self._failed.discard(receipt.unit_id)
            return
        if receipt.kind not in STORE_KINDS:
            return  # the failure concerns one object or the machine
        self._failed.add(receipt.unit_id)
        if receipt.kind == StoreFull.__name__:
            self.out_works = False
            raise StoreFull(receipt.message)
        if time.monotonic() - self._checked_at >= CHECK_EVERY_S:
            self.check()

    def check(self) -> None:
        """Check that the data set can be written and that units' inputs can be read.

        A store that is temporarily unavailable gets another 10 s to recover.

        Raises:
            StorageError: one of the stores cannot be used.
        """
        end = time.monotonic() + _PATIENCE_S
        while True:
            error = self._broken()
            if error is None:
                self._checked_at = time.monotonic()
                return
            if not isinstance(error, StoreUnavailable) or time.monotonic() > end:
                raise error
            log.warning("a store is unavailable, retrying: %s", error)
            time.sleep(_PAUSE_S)

    def _broken(self) -> StorageError | None:
        try:
            self._out.probe()
        except StorageError as error:
            self.out_works = False
            return error
        self.out_works = True
        # prefer units that have not failed: access to single objects may be denied, or they may be damaged
        others = [u for u in self._units if u.unit_id not in self._failed] or self._units
        return check_readable([functools.partial(self._probe_input, unit) for unit in sample_evenly(others)])
