"""Verify a training run or a single checkpoint, for ``wsvad verify``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from rich.console import Console

from wsvad.checkpoint.verify import checkpoint_faults, write_card
from wsvad.dataset.sealed import seal
from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_STORAGE, DamagedError, ObjectNotFound, WeightsError
from wsvad.loop.claim import CHECKPOINT, CLAIM, RUN, read_claim, read_run
from wsvad.loop.keys import STATES
from wsvad.loop.state import load_state, saved_steps
from wsvad.storage import Store
from wsvad.text import printable


@dataclass(frozen=True)
class RunReport:
    """Result of the verification."""

    out: str
    checkpoint: str | None
    """Digest of the checkpoint; ``None`` if there is none yet or it is damaged."""
    states: int = 0
    """Number of intact saved states."""
    faults: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    repaired: bool = False
    """Whether all faults were repaired; the next run of the same command rewrites what was deleted."""

    @property
    def exit_code(self) -> int:
        """0 intact, 4 repaired or unfinished (run the same command again), 5 damaged."""
        if self.faults:
            return EXIT_STORAGE if self.repaired and self.repairs else EXIT_CONFLICT
        return EXIT_OK if self.checkpoint else EXIT_STORAGE

    def to_json(self) -> str:
        """Return the report as a JSON object."""
        return json.dumps({**asdict(self), "exit_code": self.exit_code}, indent=1)

    def show(self, console: Console) -> None:
        """Print the report."""
        for line in self.faults:
            console.print(f"fault: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        for line in self.repairs:
            console.print(f"repair: {line}", markup=False, highlight=False, soft_wrap=True)
        said = f"checkpoint {self.checkpoint}" if self.checkpoint else "no intact checkpoint"
        console.print(f"{self.out}: {said}, {self.states} intact states", markup=False, highlight=False, soft_wrap=True)
        unfinished = "not finished; run the same command again"
        verdict = {EXIT_OK: "complete", EXIT_STORAGE: "repaired" if self.faults else unfinished}
        console.print(verdict.get(self.exit_code, "DAMAGED"), style="bold", markup=False)


def verify_run(store: Store, *, repair: bool = False) -> RunReport:
    """Check every file with a digest of a training run or checkpoint folder.

    Args:
        store: root of the run, or the checkpoint folder.
        repair: rewrite what can be derived from other files: the model card, and ``training.json`` from ``run.json``.
            Delete damaged states and a damaged ``run.json``, which the next run rewrites.

    Raises:
        UsageError: the checkpoint was written by another version.
        StorageError: the store failed.
    """
    alone = not any(True for name in (CLAIM, RUN, STATES, f"{CHECKPOINT}/") for _ in store.list(name))
    found = _Found()
    digest, states = None, 0
    if alone or any(True for _ in store.list(f"{CHECKPOINT}/")):
        checkpoint, faults = checkpoint_faults(store, "" if alone else CHECKPOINT)
        digest = checkpoint.digest if checkpoint else None
        repairs = []
        if faults and checkpoint and repair:
            write_card(store, "" if alone else CHECKPOINT, checkpoint)
            repairs = ["rewrote the model card"]
        found.add(faults, repairs)
    if not alone:
        _run_faults(store, found, repair)
        states, damaged = _states(store)
        for key in damaged if repair else ():
            store.delete(key)
        found.add(
            [f"{key} or {_tensors_of(key)} is damaged" for key in damaged], [f"removed {k}" for k in damaged if repair]
        )
    return RunReport(printable(store.uri), digest, states, found.faults, found.repairs, found.all_repaired)


@dataclass
class _Found:
    """Faults and repairs found so far."""

    faults: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    all_repaired: bool = True

    def add(self, faults: list[str], repairs: list[str]) -> None:
        self.faults += faults
        self.repairs += repairs
        self.all_repaired = self.all_repaired and bool(repairs or not faults)


def _run_faults(store: Store, found: _Found, repair: bool) -> None:
    """Check ``run.json`` and ``training.json``."""
    run = None
    try:
        run = read_run(store)
    except DamagedError as error:
        if repair:
            store.delete(RUN)
        found.add([_short(store, error)], [f"removed {RUN}"] if repair else [])
    try:
        read_claim(store)
    except DamagedError as error:
        if repair and run:
            store.replace(CLAIM, seal(run["resolved"]))
        found.add([_short(store, error)], [f"restored {CLAIM} from {RUN}"] if repair and run else [])


def _short(store: Store, error: DamagedError) -> str:
    return str(error).removeprefix(f"{store.uri}/")


def _tensors_of(metadata: str) -> str:
    return f"{metadata.removesuffix('.json')}.safetensors"


def _states(store: Store) -> tuple[int, list[str]]:
    """Count intact states; return the keys of the JSON of damaged ones, whose deletion removes the state."""
    intact, damaged = 0, []
    for step in saved_steps(store):
        try:
            load_state(store, step)
            intact += 1
        except (WeightsError, ObjectNotFound):
            damaged.append(f"{STATES}step-{step:08d}/state.json")
    return intact, damaged
