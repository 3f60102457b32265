"""Five nights over real footage of four cameras, on a bucket and a cluster of three nodes, with all that can go wrong.

Two cameras show SurvFight, two UCSD Ped2; archive and root are in a bucket. Every night runs a second time without
disturbance, in one process, with a root in a folder. After every night all that a reader sees is equal in both, byte
for byte, and a reader checks the bucket all the while.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from ray.cluster_utils import Cluster

from tests.chaos.kills import kill_driver, kill_node, kill_worker
from tests.chaos.real_footage import BAD, CHANGED, DELETED, LATE, footage
from tests.data_sets import DATA_SETS, needs_data_sets
from tests.extraction.harness import REPO, finish, run_here, start, until
from tests.nightly.footage import CAMERAS
from tests.nightly.reader import Watcher, shown, units
from tests.services.fault_proxy import Fault, Rule
from tests.services.moto_server import MotoServer
from wsvad.cli import main
from wsvad.nightly.published import current, require_current
from wsvad.storage import Store, StoreOptions, open_store

pytestmark = [pytest.mark.slow, needs_data_sets]

# what a process on another machine would do: its driver cannot be looked up by its process id
ELSEWHERE = """
import sys
from wsvad.work import lease
lease._machine_id = lambda: "another machine"
from wsvad.cli import main
sys.exit(main(sys.argv[1:]))
"""
# Objects that differ between two roots of the same content. They hold times and ids of runs, and a killed run
# publishes more often.
OWN = ("drivers", "runs", "snapshots", "lists", "current")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two models of other seeds, shortly trained on videos of other sources: fights against walks and other people."""
    folder = tmp_path_factory.mktemp("models")
    fights = [DATA_SETS / f"survfight/temporal/videos/t_dev_train_{n:03d}.mp4" for n in (4, 7, 26)]
    others = [DATA_SETS / f"survfight/temporal/videos/t_dev_train_{n:03d}.mp4" for n in (12, 21, 60)]
    others += [DATA_SETS / f"ucsd_ped2/videos/Train{n:03d}.mp4" for n in (13, 14, 15)]
    rows = [f"{path.stem},{path},{int(path in fights)},train" for path in (*fights, *others)]
    (folder / "manifest.csv").write_text("\n".join(["video_id,uri,label,split", *rows]))
    features = ("--features", str(folder / "features"), "--manifest", str(folder / "manifest.csv"))
    assert main(["extract", "--videos", features[3], "--out", features[1], "--no-ray"]) == 0
    recipe = ("--model", "ltgs", "--steps", "60", "--pairs", "3", "--val-fraction", "0", "--no-ray")
    for seed in ("0", "1"):
        assert main(["train", *features, *recipe, "--seed", seed, "--out", str(folder / seed)]) == 0
    return [str(folder / seed / "checkpoint") for seed in ("0", "1")]


def contents(store: Store) -> dict[str, str]:
    """Return the digest of every object below a root, except those of ``OWN``.

    Instead of the cached indexes of videos it has their rows, which are stored as many at once as were ready.
    """
    found = {}
    for info in store.list(""):
        parts, data = info.key.split("/"), store.read(info.key)
        if "index" in parts:
            rows = pq.read_table(io.BytesIO(data)).to_pylist()
            found |= {f"index of {row['content_id']}": json.dumps(row, sort_keys=True) for row in rows}
        elif not set(OWN) & set(parts):
            found[info.key] = hashlib.sha256(data).hexdigest()
    return found


@dataclass
class Nights:
    """The same nights twice: undisturbed in this process, and on the cluster."""

    cluster: Cluster
    server: MotoServer
    bucket: str
    folder: Path
    models: list[str]
    capsys: pytest.CaptureFixture[str]
    compared: set[int] = field(default_factory=set)
    """Numbers of the published nights at which both were equal."""
    runs: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.options = StoreOptions(endpoint_url=self.server.url)
        self.archive, self.far = f"s3://{self.bucket}/archive", f"s3://{self.bucket}/root"
        self.calm = str(self.folder / "calm")
        (self.folder / "cameras.toml").write_text(CAMERAS)

    def arrive(self, files: dict[str, bytes]) -> None:
        """Put files into the archive, over others of the same name."""
        for key, data in files.items():
            self.server.client.put_object(Bucket=self.bucket, Key=f"archive/{key}", Body=data)

    def words(self, root: str, *more: str, url: str = "") -> tuple[str, ...]:
        """Return the command line of a night."""
        named = ("--archive", self.archive, "--root", root, "--cameras", str(self.folder / "cameras.toml"))
        where = ("--s3-endpoint-url", url or self.server.url)
        return ("rescore", *named, *where, "--smooth", "1", "--json", *more)

    def undisturbed(self, code: int, *more: str, root: str = "") -> dict[str, Any]:
        """Run a night in this process, which ends with ``code``."""
        found, summary = run_here(self.capsys, *self.words(root or self.calm, *more, "--no-ray"))
        assert found == code
        return summary

    def start(self, *more: str, url: str = "") -> subprocess.Popen[str]:
        """Start a night on the cluster."""
        self.runs.append(start(*self.words(self.far, *more, "--address", self.cluster.address, url=url)))
        return self.runs[-1]

    def start_elsewhere(self, *more: str) -> subprocess.Popen[str]:
        """Start a night on what seems another machine, without the cluster."""
        words = [sys.executable, "-c", ELSEWHERE, *self.words(self.far, *more, "--no-ray")]
        pipe = subprocess.PIPE
        self.runs.append(subprocess.Popen(words, cwd=REPO, stdout=pipe, stderr=pipe, text=True, start_new_session=True))
        return self.runs[-1]

    def stored(self) -> int:
        """Return how many units of features there are."""
        return sum("/units/" in info.key for info in open_store(self.far, self.options).list("features/"))

    def in_the_middle(self, run: subprocess.Popen[str], before: int, deed: Callable[[Cluster, int], bool]) -> None:
        """Once a run has stored a unit of the night, disturb it."""
        until(lambda: run.poll() is not None or self.stored() > before, timeout=600)
        struck = False
        while run.poll() is None and not struck:
            struck = deed(self.cluster, run.pid)
        assert struck, f"the run was over before it could be disturbed: {finish(run)}"

    def end(self, run: subprocess.Popen[str], code: int) -> tuple[dict[str, Any], str]:
        """Wait for the end of a run, which exits with ``code``."""
        found, summary, log = finish(run, timeout=1800)
        assert found == code, log
        return summary, log

    def number(self) -> int:
        """Return the number of the newest night on the bucket; 0 before the first."""
        found = current(open_store(self.far, self.options))
        return found.number if found else 0

    def compare(self, number: int) -> None:
        """Check that both have published as many nights, of the same bytes."""
        far, calm = open_store(self.far, self.options), open_store(self.calm)
        assert require_current(far).number == require_current(calm).number == number
        assert shown(self.far, self.options) == shown(self.calm)
        assert contents(far) == contents(calm)
        self.compared.add(number)

    def across_midnight(self) -> bool:
        """Whether an event of the first camera began before the border of its two files and ended after it."""
        store = open_store(self.far, self.options)
        rows = [row for rows in units(store, require_current(store).shown.events).values() for row in rows]
        rows = [row for row in rows if row["kind"] == "event" and row["camera"] == "square"]
        return any(row["start_utc"].day == 3 and row["end_utc"].day == 4 and row["end_utc"].second for row in rows)


def suspended(cluster: Cluster, driver: int) -> bool:
    """Stop the processes of a driver; they go on with SIGCONT."""
    os.killpg(driver, signal.SIGSTOP)
    return True


@pytest.fixture
def nights(cluster, s3_bucket, moto_server, tmp_path, models, capsys) -> Iterator[Nights]:
    """Nights of a fresh bucket and a fresh cluster; ends what a failed test left running or suspended."""
    made = Nights(cluster, moto_server, s3_bucket, tmp_path, models, capsys)
    yield made
    for run in made.runs:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()


def test_five_real_nights(nights, fault_proxy):
    """Every fault of a night at once with others; readers see complete nights, which are those without any fault."""
    first, second, third, fourth, fifth = footage()
    # it reads some hundred objects each time, and should not take the processor from the nights
    with Watcher(nights.far, nights.options, pause_s=0.3) as watcher:
        # 1: the first footage
        nights.arrive(first)
        checkpoint = ("--checkpoint", nights.models[0])
        assert nights.undisturbed(0, *checkpoint)["events"] > 0, "without events this test shows little"
        nights.end(nights.start(*checkpoint), 0)
        nights.compare(1)
        was = shown(nights.calm)["scores"][CHANGED]

        # 2: new footage, a changed file and a bad one; the driver is killed, then the night runs again
        nights.arrive(second)
        assert nights.undisturbed(3)["failed"] == 1
        before = nights.stored()
        run = nights.start()
        nights.in_the_middle(run, before, kill_driver)
        nights.end(run, -signal.SIGKILL)
        assert nights.number() == 1
        summary, _ = nights.end(nights.start(), 3)
        assert [p["video_id"] for p in summary["problems"]] == [BAD]
        nights.compare(2)
        assert shown(nights.calm)["scores"][CHANGED] != was

        # 3: a file is deleted, one is a month late; a worker is killed, and the store is overloaded
        nights.arrive(third)
        nights.server.client.delete_object(Bucket=nights.bucket, Key=f"archive/{DELETED}")
        assert nights.undisturbed(3)["gone"] == 1
        fault_proxy.add(
            *(Rule(Fault.SLOW_DOWN, method=m, probability=0.1, times=None) for m in ("GET", "PUT", "HEAD")),
            Rule(Fault.RESET, probability=0.03, times=None),
            Rule(Fault.LOST_REPLY, method="PUT", path="current/", times=1),
        )
        before = nights.stored()
        run = nights.start(url=fault_proxy.url)
        nights.in_the_middle(run, before, kill_worker)
        nights.end(run, 3)
        assert fault_proxy.injected[Fault.SLOW_DOWN] > 20
        nights.compare(3)
        assert LATE in shown(nights.calm)["scores"]
        assert not nights.across_midnight()

        # 4: footage that continues an event of the day before; a second run is refused, a node is killed
        nights.arrive(fourth)
        nights.undisturbed(3)
        before, leases = nights.stored(), len(list(open_store(nights.far, nights.options).list("drivers/")))
        run = nights.start()
        until(lambda: len(list(open_store(nights.far, nights.options).list("drivers/"))) > leases, timeout=300)
        other = nights.start()
        nights.in_the_middle(run, before, kill_node)
        _, log = nights.end(other, 5)
        assert "another driver is working" in log
        nights.end(run, 3)
        nights.compare(4)
        assert nights.across_midnight()

        # 5: a new model; a run is suspended, another takes over and is promoted, then the first one wakes up
        nights.arrive(fifth)
        candidate = ("--candidate", nights.models[1])
        assert nights.undisturbed(3, *candidate)["models"] == 2
        (new,) = set(require_current(open_store(nights.calm)).models) - {shown(nights.calm)["champion"]}
        before = nights.stored()
        stale = nights.start_elsewhere(*candidate)
        nights.in_the_middle(stale, before, suspended)
        nights.end(nights.start(*candidate), 3)
        assert nights.number() == 5
        nights.compare(5)
        promote = ("promote", "--model", new, "--json", "--s3-endpoint-url", nights.server.url, "--root")
        for root in (nights.calm, nights.far):
            assert run_here(nights.capsys, *promote, root)[1]["champion"] == new
        os.killpg(stale.pid, signal.SIGCONT)
        _, log = nights.end(stale, 5)
        assert "another driver took over" in log
        nights.compare(6)

        # the next night reports on the new champion, and after it nothing is left to do
        nights.undisturbed(3)
        nights.end(nights.start(), 3)
        nights.compare(7)
        there = contents(open_store(nights.far, nights.options))
        summary, _ = nights.end(nights.start(), 3)
        assert (summary["nothing_to_do"], nights.number()) == (True, 7)
        assert contents(open_store(nights.far, nights.options)) == there
    assert set(watcher.numbers) <= {0, *nights.compared}
    assert len(set(watcher.numbers)) > 3, "the reader hardly ever looked"

    # one undisturbed night over what the archive is now; it never knew the deleted file, the only one of its day
    alone = str(nights.folder / "alone")
    nights.undisturbed(3, "--checkpoint", nights.models[1], root=alone)
    once, five = shown(alone), shown(nights.far, nights.options)
    assert once["champion"] == five["champion"] == new
    assert once["scores"] == {name: value for name, value in five["scores"].items() if name != DELETED}
    for what in ("events", "rows"):
        kept = {name: value for name, value in five[what].items() if name in once[what]}
        assert once[what] == kept
        assert len(five[what]) == len(kept) + 1
