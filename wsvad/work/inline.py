"""Run units one after the other in this process, without Ray, with the same stage. For small jobs and debugging."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from wsvad.work.receipt import Receipt, WorkUnit


class InlineRunner:
    """Same interface as :class:`wsvad.work.ray_runner.RayRunner`. What would crash a worker crashes the process.

    Decoders are child processes, as on Ray, and their crashes are judged in the same way.

    Args:
        make_stage: ``make_stage(config, payload, report)``, called once, before the first unit. If the stage has a
            ``close`` method, it ends the decoder, and the next unit starts a new one.
        config: configuration of the stage.
        payload: payload of the stage, e.g. weights.
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
        """Return the number of finished clips of every unit started so far, by unit id."""
        return dict(self._clips)

    def __call__(self, units: Sequence[WorkUnit], alone: bool) -> Iterator[Receipt]:
        """Run units and yield their receipts in order; with ``alone``, each unit gets a new decoder."""
        for unit in units:
            if self._stage is None:
                self._stage = self._make(self._config, self._payload, self._clips.__setitem__)
            if alone:
                self.close()
            yield Receipt(**self._stage(unit.to_row()))

    def close(self) -> None:
        """Close the stage, which ends its child processes."""
        close: Callable[[], None] | None = getattr(self._stage, "close", None)
        if close:
            close()


def living_nodes() -> frozenset[str]:
    """Return a constant id for this machine."""
    return frozenset({"here"})
