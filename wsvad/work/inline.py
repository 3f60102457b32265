"""Units one after the other in this process, without Ray: for small jobs and for debugging, through the same stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from wsvad.work.receipt import Receipt, WorkUnit


class InlineRunner:
    """Has the interface of :class:`wsvad.work.run.UnitRunner`. A crash of a unit is a crash of the process.

    Args:
        make_stage: ``make_stage(config, payload, report)``, called once, when there is a unit.
        config: of the stage.
        payload: of the stage.
    """

    def __init__(
        self,
        make_stage: Callable[[Any, Any, Callable[[str, int], None]], Callable[[Mapping[str, Any]], dict[str, Any]]],
        config: Any,
        payload: Any,
    ) -> None:
        self._make = make_stage
        self._config, self._payload = config, payload
        self._stage: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
        self._clips: dict[str, int] = {}

    def in_progress(self) -> Mapping[str, int]:
        """Return the clips finished so far of every unit that was ever begun, by unit id."""
        return dict(self._clips)

    def __call__(self, units: Sequence[WorkUnit], alone: bool) -> Iterator[Receipt]:
        """Run units and yield their receipts in order."""
        if self._stage is None:
            self._stage = self._make(self._config, self._payload, self._clips.__setitem__)
        for unit in units:
            yield Receipt(**self._stage(unit.to_row()))


def living_nodes() -> frozenset[str]:
    """Return the one node that there is."""
    return frozenset({"here"})
