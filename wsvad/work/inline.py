"""Units one after the other in this process, without Ray: for small jobs and for debugging, through the same stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from wsvad.work.receipt import Receipt, WorkUnit


class InlineRunner:
    """Has the interface of :class:`wsvad.work.run.UnitRunner`. What would take a worker down takes the process down.

    A decoder is a child process here, too: what its death says of a video is judged as on Ray.

    Args:
        make_stage: ``make_stage(config, payload, report)``, called once, when there is a unit. Where the stage has a
            ``close``, that ends its decoder, and the next unit begins with a fresh one.
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
        """Run units and yield their receipts in order; ``alone`` gives each a decoder that did nothing before."""
        for unit in units:
            if self._stage is None:
                self._stage = self._make(self._config, self._payload, self._clips.__setitem__)
            if alone:
                self.close()
            yield Receipt(**self._stage(unit.to_row()))

    def close(self) -> None:
        """End what the stage started."""
        close: Callable[[], None] | None = getattr(self._stage, "close", None)
        if close:
            close()


def living_nodes() -> frozenset[str]:
    """Return the one node that there is."""
    return frozenset({"here"})
