"""A small run of every verb that writes: its inputs, what happened before, and the command."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyarrow.parquet import read_table

from tests.extraction.harness import QUICK as EXTRACT
from tests.extraction.videos import write_video
from tests.importing.data import SOURCE, features, save
from tests.nightly.footage import CAMERAS, bright_is_anomalous, write_scene
from tests.review.verdict_records import verdict, write_file
from tests.scoring.factories import make_checkpoint, write_checkpoint
from tests.training.factories import plant, planted_records
from tests.tuning.sweeps import sweep_records
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.storage import open_store

Words = tuple[str, ...]
Write = Callable[[Path], None]

_ATTEMPTS = ("--s3-attempts", "3")
_LABELLED = ("--features", "{root}/features", "--manifest", "{root}/manifest.csv", "--out", "{root}/out")
_TRAINING = ("--steps", "4", "--pairs", "2", "--segments", "4", "--eval-every", "2")
_SPACE = """
model = "sultani"
training = { steps = 4, pairs = 2, segments = 4 }

[search]
lr = [1e-4, 1e-3, 1e-2]
"""
_NIGHT = (
    "rescore", "--archive", "{root}/archive", "--root", "{root}/out", "--checkpoint", "{root}/model",
    "--cameras", "{root}/cameras.toml", "--smooth", "0", "--gap", "1", "--no-ray", "--json",
)  # fmt: skip
_IMPORT = ("import-features", "--files", "{root}/in", "--out", "{root}/out", "--source", SOURCE, "--json")
_YARD, _DOOR = "yard/20260301_120000.mp4", "door/20260301_120000.mp4"


@dataclass(frozen=True)
class Scenario:
    """One command, on data that it finds below ``{root}``."""

    name: str
    inputs: Write
    """Writes the inputs below a local folder."""
    words: Words
    """The command; ``{root}`` stands for the URI of that folder."""
    before: tuple[Words | Write, ...] = ()
    """Earlier commands, and changes of what they read or stored."""
    codes: tuple[int, ...] = (0,)
    """Possible exit codes of the command without faults: the first on the given data, all after a fault."""
    nightly: str = ""
    """Root of a nightly job below ``{root}``."""
    publishes_parts: bool = False
    """Whether the command publishes what it has if it ends with code 4."""

    def command(self, words: Words, uri: str) -> list[str]:
        """Return a command line for the data at a URI."""
        return [word.replace("{root}", uri) for word in (*words, *_ATTEMPTS)]


def _videos(root: Path) -> None:
    (root / "in").mkdir()
    write_video(root / "in" / "a.mp4", 9)
    write_video(root / "in" / "b.mp4", 6)


def _arrays(root: Path) -> None:
    save(root / "in", {"a.npy": features(4, crops=1), "b.npy": features(3, crops=1)})


def _features(root: Path) -> None:
    plant(root, planted_records(4, 2))
    write_checkpoint(root / "model", make_checkpoint())


def _labelled(root: Path) -> None:
    plant(root, planted_records(10, 2))


def _sweep(root: Path) -> None:
    plant(root, sweep_records(14, 4, 2), strength=0.7)
    (root / "space.toml").write_text(_SPACE)


def _archive(root: Path) -> None:
    write_scene(root / "archive" / _YARD, 4, (1, 3))
    write_scene(root / "archive" / _DOOR, 3)
    (root / "cameras.toml").write_text(CAMERAS)
    write_checkpoint(root / "model", bright_is_anomalous())


def _next_video(root: Path) -> None:
    write_scene(root / "archive" / "yard" / "20260301_130000.mp4", 3, (0, 2))


def _verdicts(root: Path) -> None:
    """Two reviewers judge a video that has one event."""
    (features,) = (root / "out" / "features").iterdir()
    snapshot = latest_snapshot(open_store(str(features)))
    assert snapshot is not None
    (content,) = (row["content_id"] for row in snapshot.videos if row["video_id"] == _YARD)
    records = [
        verdict(
            "true", verdict_id=str(uuid.UUID(int=number)), content_id=content, video_id=_YARD, camera="yard",
            start_s=1.0, end_s=3.0, reviewer=reviewer,
        )
        for number, reviewer in enumerate(("ann", "bob"))
    ]  # fmt: skip
    write_file(root / "verdicts.json", records)
    (root / "splits.csv").write_text("uri,video_id,split\nother/x.mp4,x,test\n")


def _damage(root: Path) -> None:
    """Damage one of two units, and the newest of two snapshots."""
    (root / "out" / "snapshots" / "00000002.json").write_bytes(b"{}")
    (unit,) = (
        p for p in (root / "out" / "units").rglob("*") if p.is_file() and read_table(p)["video_id"][0].as_py() == "a"
    )
    unit.write_bytes(unit.read_bytes()[:-1])


def _third_array(root: Path) -> None:
    save(root / "in", {"c.npy": features(2, crops=1, seed=1)})


def _replaced_arrays(root: Path) -> None:
    """Other content of the same videos."""
    save(root / "in", {"a.npy": features(4, crops=1, seed=2), "b.npy": features(3, crops=1, seed=2)})


def _age(root: Path) -> None:
    """Make everything old enough to be collected."""
    for number, path in enumerate(sorted(root.rglob("*"))):
        then = 1_700_000_000 + number
        os.utime(path, (then, then))


SCENARIOS = {
    s.name: s
    for s in (
        Scenario("extract", _videos, ("extract", "--videos", "{root}/in", "--out", "{root}/out", *EXTRACT, "--no-ray"),
                 publishes_parts=True),
        Scenario("import", _arrays, _IMPORT, publishes_parts=True),
        Scenario(
            "score",
            _features,
            ("score", "--features", "{root}/features", "--checkpoint", "{root}/model", "--out", "{root}/out",
             "--json", "--no-ray"),
            publishes_parts=True,
        ),
        Scenario(
            "train",
            _labelled,
            ("train", *_LABELLED, "--model", "sultani", *_TRAINING, "--save-every", "1", "--keep", "2", "--json",
             "--no-ray"),
        ),
        Scenario(
            "compare",
            _labelled,
            ("compare", *_LABELLED, "--models", "sultani", "--seeds", "1", *_TRAINING, "--json", "--no-ray"),
            publishes_parts=True,
        ),
        Scenario(
            "tune",
            _sweep,
            ("tune", *_LABELLED, "--space", "{root}/space.toml", "--trials", "2", "--seeds", "1", "--finalists", "1",
             "--fresh-seeds", "1", "--resamples", "100", "--json", "--no-ray"),
            publishes_parts=True,
        ),
        Scenario("rescore", _archive, _NIGHT, (_NIGHT, _next_video), nightly="out", publishes_parts=True),
        Scenario(
            "purge",
            _archive,
            ("purge", "--root", "{root}/out", "--video", _YARD, "--apply", "--force", "--json"),
            (_NIGHT,),
            nightly="out",
        ),
        Scenario(
            "verdicts",
            _archive,
            ("verdicts", "--root", "{root}/out", "--import", "{root}/verdicts.json", "--out", "{root}/next.csv",
             "--manifest", "{root}/splits.csv", "--json"),
            (_NIGHT, _verdicts),
            nightly="out",
        ),
        Scenario(
            "repair",
            _arrays,
            ("verify", "--out", "{root}/out", "--repair", "--json"),
            (_IMPORT, _third_array, _IMPORT, _damage),
            codes=(4, 3),
        ),
        Scenario(
            "collect",
            _arrays,
            ("verify", "--out", "{root}/out", "--collect", "--grace-hours", "24", "--json"),
            (_IMPORT, _age, _replaced_arrays, _IMPORT, _age),
        ),
    )
}  # fmt: skip
