"""What may happen to one operation of a store, and the operations to which it can happen."""

from __future__ import annotations

import enum
import os
import signal
import threading
from typing import Any, NamedTuple


class Fault(enum.Enum):
    """A fault of one operation; those ``FOR_GOOD`` last from that operation on."""

    BUSY = "503"
    RESET = "reset"
    LOST_REPLY = "lost-reply"
    TRUNCATED = "truncated"
    SLOW = "slow"
    DENIED = "denied"
    FULL = "full"
    GONE = "gone"
    KILL_BEFORE = "kill-before"
    KILL_DURING = "kill-during"
    KILL_AFTER = "kill-after"


FOR_GOOD = frozenset({Fault.FULL, Fault.GONE})
KILLS = frozenset({Fault.KILL_BEFORE, Fault.KILL_DURING, Fault.KILL_AFTER})

_ANY = frozenset({Fault.BUSY, Fault.RESET, Fault.DENIED, Fault.GONE, Fault.KILL_BEFORE})
_WRITE = frozenset({*_ANY, Fault.LOST_REPLY, Fault.KILL_AFTER})
_BUCKET = {
    "head_object": _ANY,
    "list_objects_v2": _ANY | {Fault.TRUNCATED},
    "get_object": _ANY | {Fault.TRUNCATED, Fault.SLOW},
    "put_object": _WRITE | {Fault.FULL},
    "delete_object": _WRITE,
}
# a local file system is never busy, and its calls that only read have no effect that could be lost
_READ_HERE = frozenset({Fault.RESET, Fault.GONE})
_WRITE_HERE = (_WRITE - {Fault.BUSY}) | {Fault.FULL}
_FOLDER = {
    "scandir": _READ_HERE | {Fault.DENIED},
    "open": _READ_HERE | {Fault.DENIED},
    "read": _READ_HERE | {Fault.SLOW},
    "pread": _READ_HERE | {Fault.TRUNCATED, Fault.SLOW},
    "create": _WRITE_HERE,
    "write": _WRITE_HERE - {Fault.DENIED} | {Fault.TRUNCATED, Fault.KILL_DURING},
    "fsync": _WRITE_HERE - {Fault.DENIED},
    "link": _WRITE_HERE,
    "replace": _WRITE_HERE,
    "mkdir": _WRITE_HERE,
    "unlink": _WRITE_HERE - {Fault.FULL},
}
PLACES = {"bucket": _BUCKET, "folder": _FOLDER}
"""By kind of store, its operations and what can happen to each."""


def heals(place: str, fault: Fault) -> bool:
    """Whether the store itself must overcome the fault, so that a command does not notice it."""
    if place == "bucket":
        return fault in (Fault.BUSY, Fault.RESET, Fault.LOST_REPLY, Fault.TRUNCATED, Fault.SLOW)
    return fault in (Fault.TRUNCATED, Fault.SLOW)


class Plan(NamedTuple):
    """A fault and the number of the operation that it befalls, from 1."""

    fault: Fault
    number: int


class Operations:
    """Counts the operations of one process and says what happens to each.

    Threads can change the order of operations a little, so a fault befalls the first operation from its number on to
    which it can happen.
    """

    def __init__(self, place: str, plan: Plan | None) -> None:
        self._can = PLACES[place]
        self._plan = plan
        self._lock = threading.Lock()
        self.done: list[str] = []
        """Names and objects of all operations, in order."""
        self.fired = 0
        """How many operations the fault befell."""

    def next(self, name: str, what: str = "") -> Fault | None:
        """Count an operation on an object and return its fault. A process that is to be killed before it ends here."""
        with self._lock:
            self.done.append(f"{name} {what}")
            if self._plan is None or len(self.done) < self._plan.number or self._plan.fault not in self._can[name]:
                return None
            if self.fired and self._plan.fault not in FOR_GOOD:
                return None
            self.fired += 1
        if self._plan.fault is Fault.KILL_BEFORE:
            kill()
        return self._plan.fault

    def to_json(self) -> dict[str, Any]:
        """Return the counts."""
        return {"done": self.done, "fired": self.fired}


def kill() -> None:
    """End this process at once, as the kernel or an operator may do at any moment."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
