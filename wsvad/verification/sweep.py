"""Verify a sweep, i.e. all results, configurations and tables, and the winner, for ``wsvad verify``."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from wsvad.dataset.sealed import unseal
from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_STORAGE, DamagedError
from wsvad.loop.keys import STATES, SWEEP, TRIALS
from wsvad.storage import Store, open_store
from wsvad.text import printable
from wsvad.verification.run import verify_run

_SUMMARY = "sweep.json"
_WINNERS = "winner/"
_IRREPLACEABLE = (SWEEP, "final.json")
"""Objects that cannot be derived from others and so cannot be repaired."""


@dataclass(frozen=True)
class SweepReport:
    """Result of the verification."""

    out: str
    trials: int
    """Number of intact configurations."""
    results: int
    """Number of intact training results."""
    finished: bool
    """Whether the sweep is finished."""
    faults: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    repaired: bool = False
    """Whether all faulty objects were deleted; the next run of the same command makes them again."""

    @property
    def exit_code(self) -> int:
        """0 intact, 4 repaired or unfinished (run the same command again), 5 damaged."""
        if self.faults:
            return EXIT_STORAGE if self.repaired else EXIT_CONFLICT
        return EXIT_OK if self.finished else EXIT_STORAGE

    def to_json(self) -> str:
        """Return the report as a JSON object."""
        return json.dumps({**asdict(self), "exit_code": self.exit_code}, indent=1)

    def show(self, console: Console) -> None:
        """Print the report."""
        for line in self.faults:
            console.print(f"fault: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        for line in self.repairs:
            console.print(f"repair: {line}", markup=False, highlight=False, soft_wrap=True)
        said = f"{self.out}: {self.trials} intact configurations, {self.results} intact results"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        unfinished = "repaired" if self.faults else "not finished; run the same command again"
        verdict = {EXIT_OK: "complete", EXIT_STORAGE: unfinished}
        console.print(verdict.get(self.exit_code, "DAMAGED"), style="bold", markup=False)


def verify_sweep(store: Store, *, repair: bool = False) -> SweepReport:
    """Check every object of a sweep that has a digest or checksums, and its winners.

    Args:
        store: root of the sweep.
        repair: delete what is damaged; the next run repeats the trainings and rewrites the tables. The results of a
            damaged configuration are deleted, too, because they cannot be attributed.

    Raises:
        StorageError: the store failed.
    """
    keys = [info.key for info in store.list() if _belongs_to_sweep(info.key)]
    digests = _digests(store, keys)
    bad = {key: problem for key in keys if (problem := _problem(store, key, digests.get(key, "")))}
    bad |= {key: "it is missing" for key in digests if key not in keys}
    if SWEEP not in keys:
        bad[SWEEP] = "it is missing, so the options that made the results are unknown"
    configured = {key.split("/")[1] for key in keys if key.endswith("/config.json") and key not in bad}
    results = [key for key in keys if key.startswith(f"{TRIALS}") and "/step-" in key and key.endswith(".json")]
    for key in results:
        if key not in bad and key.split("/")[1] not in configured:
            bad[key] = "its configuration is missing or damaged"
    faults = [f"{key}: {problem}" for key, problem in sorted(bad.items())]
    repairs, repaired = [], True
    for key in sorted(bad) if repair else ():
        if key in _IRREPLACEABLE:
            repaired = False
            continue
        for other in _with_dependents(key, keys):
            store.delete(other)
            repairs.append(f"removed {other}")
    for folder in sorted({"/".join(key.split("/")[:2]) for key in (i.key for i in store.list(_WINNERS))}):
        report = verify_run(open_store(f"{store.uri}/{folder}", store.options), repair=repair)
        faults += [f"{folder}/{fault}" for fault in report.faults]
        repairs += [f"{folder}/{done}" for done in report.repairs]
        repaired = repaired and (report.repaired or not report.faults)
    return SweepReport(
        printable(store.uri),
        len(configured),
        sum(key not in bad for key in results),
        _SUMMARY in keys,
        faults,
        repairs,
        repair and repaired,
    )


def _belongs_to_sweep(key: str) -> bool:
    """Whether an object belongs to the sweep itself, and not to one of its runs, states or driver leases."""
    top = key.split("/")[0]
    return top not in ("winner", "final", "drivers") and f"/{STATES}" not in key


def _digests(store: Store, keys: list[str]) -> dict[str, str]:
    """Return the SHA-256 of non-JSON objects, from the JSON that references them; damaged JSON is ignored."""
    found: dict[str, str] = {}
    for key in keys:
        if key == _SUMMARY or (key.startswith(TRIALS) and "/step-" in key and key.endswith(".json")):
            with suppress(DamagedError):
                plain = unseal(store.read(key), key, ())
                if key == _SUMMARY:
                    found |= plain.get("files", {})
                elif plain.get("scores"):
                    found[f"{key.removesuffix('.json')}.parquet"] = plain["scores"]
    return found


def _problem(store: Store, key: str, digest: str) -> str:
    """Return what is wrong with an object, or ``""`` if it is intact or there is nothing to compare it with."""
    data = store.read(key)
    if digest and hashlib.sha256(data).hexdigest() != digest:
        return "its digest does not match the recorded one"
    if key.endswith(".json"):
        try:
            unseal(data, key, ())
        except DamagedError as error:
            return str(error).removeprefix(f"{key} is damaged: ")
    if key.endswith(".parquet"):
        try:
            pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True).read()
        except (pa.ArrowException, OSError, ValueError) as error:
            return f"not an intact table: {str(error).splitlines()[0]}"
    return ""


def _with_dependents(key: str, keys: list[str]) -> list[str]:
    """Return the keys of a damaged object and of objects that are useless without it."""
    if key.endswith("/config.json"):
        return [other for other in keys if other.startswith(key.removesuffix("config.json"))]
    stem = key.rpartition(".")[0]
    together = [f"{stem}.json", f"{stem}.parquet"] if "/step-" in key else [key, _SUMMARY]
    return [other for other in together if other in keys]
