"""A lease on a folder in any store, so that only one driver works there at a time.

A driver claims the folder by creating ``<folder>/00000007.json`` with a create-only write, so that one of two
concurrent claims is refused. While it works, it rewrites the heartbeat ``00000007.beat`` every few seconds. The next
driver takes over with the next number if the process no longer exists (on the same machine), or if the heartbeat does
not change while the driver watches it for several intervals. Clocks of different machines are never compared.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from wsvad.documents import DocumentError, parse_object
from wsvad.errors import ConflictError, ObjectNotFound, StorageError
from wsvad.storage import Created, Store

log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
WATCHED_HEARTBEATS = 3
_ENDED = "ended"


@dataclass
class Lease:
    """An exclusive lease on a folder. Use as a context manager; :meth:`check` raises once the lease is lost.

    Args:
        store: store that holds the folder.
        folder: key prefix of the claims, e.g. ``drivers/``.
        what: name of the work for messages, e.g. ``a sweep``.
        heartbeat_s: seconds between heartbeats.
    """

    store: Store
    folder: str
    what: str
    heartbeat_s: float = HEARTBEAT_S
    number: int = 0
    """Number of this claim, from 1; higher than that of every earlier claim."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Written with every heartbeat; the next driver reads them as ``previous_notes``."""
    previous_notes: dict[str, Any] = field(default_factory=dict)
    """Last notes of the previous driver; empty if there was none."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Lease:
        """Claim the folder.

        Raises:
            ConflictError: another driver is working there.
            StorageError: the store cannot be used.
        """
        number = self._newest()
        if number:
            self.previous_notes = self._notes(number)
            if self._alive(number):
                raise ConflictError(self._refusal(number))
            self.previous_notes = self._notes(number)
            # pass on the notes if this driver fails before it writes its own
            self.notes = {**self.previous_notes, **self.notes}
        self.number = number + 1
        me = {
            "host": socket.gethostname(),
            "machine": _machine_id(),
            "pid": os.getpid(),
            "born": _start_ticks(os.getpid()),
        }
        me["id"] = uuid.uuid4().hex
        if self.store.create(self._key(self.number), json.dumps(me).encode()) is Created.DIFFERENT:
            raise ConflictError(self._refusal(self.number))
        self._write_heartbeat()
        self._thread = threading.Thread(target=self._heartbeat_loop, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(2 * self.heartbeat_s)
        with suppress(StorageError):  # then the next driver waits for missing heartbeats before it takes over
            self._write_heartbeat(_ENDED)

    def check(self) -> None:
        """Raise ``ConflictError`` if another driver has taken over: what this driver would write is out of date."""
        newest = self._newest()
        if newest > self.number:
            raise ConflictError(
                f"another driver took over {self.what} at {self.store.uri} ({self._owner(newest)}); the results of "
                "this one are kept, and the other continues from them"
            )

    def _heartbeat_loop(self) -> None:
        while not self._stop.wait(self.heartbeat_s):
            try:
                self._write_heartbeat()
            except StorageError as error:  # whatever uses the store next raises the error
                log.debug("cannot write the heartbeat: %s", error)

    def _write_heartbeat(self, state: str = "") -> None:
        beat = {"state": state, "token": uuid.uuid4().hex, "notes": self.notes}
        self.store.replace(self._key(self.number, "beat"), json.dumps(beat).encode())

    def _key(self, number: int, kind: str = "json") -> str:
        return f"{self.folder}{number:08d}.{kind}"

    def _newest(self) -> int:
        names = [info.key.removeprefix(self.folder) for info in self.store.list(self.folder)]
        return max((int(name[:8]) for name in names if name.endswith(".json") and name[:8].isdigit()), default=0)

    def _read(self, number: int, kind: str) -> dict[str, Any]:
        try:
            return parse_object(self.store.read(self._key(number, kind)))
        except (ObjectNotFound, DocumentError):
            return {}

    def _notes(self, number: int) -> dict[str, Any]:
        notes = self._read(number, "beat").get("notes")
        return notes if isinstance(notes, dict) else {}

    def _alive(self, number: int) -> bool:
        """Whether the owner of a claim is alive: by its process id on this machine, else by watching its heartbeat."""
        first = self._read(number, "beat")
        if first.get("state") == _ENDED:
            return False
        owner = self._read(number, "json")
        if owner.get("machine") == _machine_id() != "" and isinstance(owner.get("pid"), int):
            return owner.get("born") == _start_ticks(owner["pid"]) != ""
        waited_s = WATCHED_HEARTBEATS * self.heartbeat_s
        log.info(
            "%s holds the lease on %s; watching its heartbeat for %.0f s", self._owner(number), self.what, waited_s
        )
        until = time.monotonic() + waited_s
        while time.monotonic() < until:
            time.sleep(min(self.heartbeat_s / 2, max(0.0, until - time.monotonic())))
            now = self._read(number, "beat")
            if now.get("state") == _ENDED:
                return False
            if now.get("token") != first.get("token"):
                return True
        return False

    def _owner(self, number: int) -> str:
        owner = self._read(number, "json")
        return f"process {owner.get('pid', '?')} on {owner.get('host', 'an unknown machine')}"

    def _refusal(self, number: int) -> str:
        return (
            f"another driver is working on {self.what} at {self.store.uri} ({self._owner(number)}). Nothing was "
            "changed. Wait until it has finished, or use another folder"
        )


def _machine_id() -> str:
    """Return an id of this boot of the machine and of its process id namespace; empty if unknown."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_ticks(pid: int) -> str:
    """Return the start time of a local process in ticks since boot; empty if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    state, ticks = fields[0], fields[19]
    return "" if state in ("Z", "X") else ticks
