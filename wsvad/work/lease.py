"""One driver at a time at a folder, in any store: numbered claims, of which the newest counts while it shows life.

A driver claims the folder by creating ``<folder>/00000007.json``, create-only: of two that try, one is refused. While
it works it writes ``00000007.beat`` anew every few seconds. Whoever comes next takes over, with the next number, when
the process is gone (on the same machine), or when nothing was written for several times as long while he watched.
Clocks of machines are never compared.
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

BEAT_S = 10.0
WATCHED_BEATS = 3
_ENDED = "ended"


@dataclass
class Lease:
    """The right to work at a folder. Use as a context manager; :meth:`check` says whether it still holds.

    Args:
        store: that holds the folder.
        folder: key prefix of the claims, e.g. ``drivers/``.
        what: that is worked on, for messages, e.g. ``a sweep``.
        beat_s: seconds between signs of life.
    """

    store: Store
    folder: str
    what: str
    beat_s: float = BEAT_S
    number: int = 0
    """Of this claim, from 1; higher than that of every claim before it."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Written with every sign of life, and read by the next driver as ``earlier``."""
    earlier: dict[str, Any] = field(default_factory=dict)
    """The last notes of the driver before, empty where there was none."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Lease:
        """Claim the folder.

        Raises:
            ConflictError: another driver is at work there.
            StorageError: the store cannot be used.
        """
        number = self._newest()
        if number:
            self.earlier = self._notes(number)
            if self._alive(number):
                raise ConflictError(self._refusal(number))
            self.earlier = self._notes(number)
            self.notes = {**self.earlier, **self.notes}  # what one that fails at once has not come to write
        self.number = number + 1
        me = {"host": socket.gethostname(), "machine": _machine(), "pid": os.getpid(), "born": _born(os.getpid())}
        me["id"] = uuid.uuid4().hex
        if self.store.create(self._key(self.number), json.dumps(me).encode()) is Created.DIFFERENT:
            raise ConflictError(self._refusal(self.number))
        self._beat()
        self._thread = threading.Thread(target=self._keep_beating, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(2 * self.beat_s)
        with suppress(StorageError):  # the next driver then waits a little before it takes over
            self._beat(_ENDED)

    def check(self) -> None:
        """Raise ``ConflictError`` where another driver has taken over: what this one would write is out of date."""
        newest = self._newest()
        if newest > self.number:
            raise ConflictError(
                f"another driver took {self.what} at {self.store.uri} over meanwhile ({self._told(newest)}); nothing "
                "of this one is lost, and the other goes on with it"
            )

    def _keep_beating(self) -> None:
        while not self._stop.wait(self.beat_s):
            try:
                self._beat()
            except StorageError as error:  # the store's failures are told by whoever needs it
                log.debug("no sign of life was written: %s", error)

    def _beat(self, state: str = "") -> None:
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
        """Whether the driver of a claim is at work: known at once on this machine, else by watching it."""
        first = self._read(number, "beat")
        if first.get("state") == _ENDED:
            return False
        owner = self._read(number, "json")
        if owner.get("machine") == _machine() != "" and isinstance(owner.get("pid"), int):
            return owner.get("born") == _born(owner["pid"]) != ""
        waited_s = WATCHED_BEATS * self.beat_s
        log.info("%s had %s here; watching for %.0f s whether it still works", self._told(number), self.what, waited_s)
        until = time.monotonic() + waited_s
        while time.monotonic() < until:
            time.sleep(min(self.beat_s / 2, max(0.0, until - time.monotonic())))
            now = self._read(number, "beat")
            if now.get("state") == _ENDED:
                return False
            if now.get("token") != first.get("token"):
                return True
        return False

    def _told(self, number: int) -> str:
        owner = self._read(number, "json")
        return f"process {owner.get('pid', '?')} on {owner.get('host', 'an unknown machine')}"

    def _refusal(self, number: int) -> str:
        return (
            f"another driver is at work on {self.what} at {self.store.uri} ({self._told(number)}). Nothing was "
            "changed. Wait for it, or use another folder"
        )


def _machine() -> str:
    """Return what names this run of this machine and this space of process numbers; empty where it is not known."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _born(pid: int) -> str:
    """Return when a process of this machine began, in ticks since the machine's start; empty where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    state, ticks = fields[0], fields[19]
    return "" if state in ("Z", "X") else ticks
