"""One small data set of each kind, a training run, and functions that damage their objects."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import pytest

from tests.extraction.harness import QUICK as EXTRACT
from tests.extraction.in_process import patch_all
from tests.extraction.videos import write_video
from tests.importing.data import SOURCE, features, save
from tests.training.factories import QUICK as TRAIN
from tests.training.factories import plant, planted_records
from wsvad.cli import main

Damage = Callable[[bytes, random.Random], bytes | None]


def flip(data: bytes, rng: random.Random) -> bytes:
    """Flip one bit."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


DAMAGES: dict[str, Damage] = {
    "flip": flip,
    "cut": lambda data, rng: data[: len(data) // 2],
    "last byte": lambda data, rng: data[:-1],
    "empty": lambda data, rng: b"",
    "delete": lambda data, rng: None,
}


@dataclass(frozen=True)
class StoredData:
    """Stored data, the command that created it, and the commands that read it."""

    root: Path
    make: tuple[str, ...]
    readers: tuple[tuple[str, ...], ...] = ()
    code: int = 0
    """Exit code of ``make`` and of ``verify`` if nothing is damaged."""
    kept: Path = field(default=Path())

    @property
    def keys(self) -> list[str]:
        """Keys of all objects, without scratch space."""
        found = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        return sorted(key for key in found if not key.startswith(".tmp"))

    @property
    def verify(self) -> tuple[str, ...]:
        """The command that verifies it."""
        return ("verify", "--out", str(self.root), "--json")

    def keep(self) -> StoredData:
        """Return a copy of this object with a backup for :meth:`restore`."""
        kept = self.root.with_name(f"{self.root.name}-kept")
        shutil.copytree(self.root, kept)
        return StoredData(self.root, self.make, self.readers, self.code, kept)

    def restore(self) -> None:
        """Restore the backup."""
        shutil.rmtree(self.root)
        shutil.copytree(self.kept, self.root)

    def spoil(self, key: str, name: str, seed: int = 0) -> bool:
        """Damage one object; return False if its content does not change."""
        path = self.root / key
        data = path.read_bytes()
        spoilt = DAMAGES[name](data, random.Random(crc32(f"{key.split('/')[0]} {name} {seed}".encode())))
        if spoilt is None:
            path.unlink()
        else:
            path.write_bytes(spoilt)
        return spoilt != data


def extracted(root: Path) -> StoredData:
    """Features of two videos and of an invalid file, published twice; created in this process."""
    (root / "in").mkdir(parents=True)
    write_video(root / "in" / "a.mp4", 9)
    make = ("extract", "--videos", str(root / "in"), "--out", str(root / "features"), *EXTRACT)
    assert main(list(make)) == 0
    write_video(root / "in" / "b.mp4", 6)
    (root / "in" / "broken.mp4").write_text("not a video")
    assert main(list(make)) == 3
    return StoredData(root / "features", make, (), 3).keep()


def imported(root: Path) -> StoredData:
    """Imported features, published twice."""
    files = save(root / "in", {"a.npy": features(4, crops=1)})
    make = ("import-features", "--files", files, "--out", str(root / "features"), "--source", SOURCE, "--json")
    assert main(list(make)) == 0
    save(root / "in", {"b.npy": features(3, crops=1)})
    assert main(list(make)) == 0
    return StoredData(root / "features", make).keep()


def trained_and_scored(root: Path) -> tuple[StoredData, StoredData, StoredData]:
    """Features, the run of a model trained on them, and scores; each with the commands that read it."""
    planted = plant(root, planted_records(12, 4))
    train = ("train", *planted.words, "--model", "sultani", "--out", str(root / "run"), *TRAIN, "--no-ray")
    assert main(list(train)) == 0
    score = ("score", "--features", planted.features, "--checkpoint", str(root / "run" / "checkpoint"), "--no-ray")
    score = (*score, "--json", "--out", str(root / "scores"))
    assert main(list(score)) == 0
    evaluate = ("evaluate", "--scores", str(root / "scores"), "--manifest", planted.manifest, "--no-frames")
    evaluate = (*evaluate, "--out", str(root / "report"), "--replace", "--resamples", "0")
    assert main(list(evaluate)) == 0
    fresh = [word if word != str(root / "scores") else str(root / "fresh") for word in score]
    again = [word if word != str(root / "run") else str(root / "fresh-run") for word in train]
    compare = ("compare", *planted.words, "--models", "sultani", "--seeds", "1", "--out", str(root / "table"))
    compare = (*compare, "--no-ray", "--dry-run")
    return (
        StoredData(root / "features", (), (tuple(fresh), tuple(again), compare)).keep(),
        StoredData(root / "run", train, (tuple(fresh),)).keep(),
        StoredData(root / "scores", score, (evaluate,)).keep(),
    )


def cases(data: StoredData, seeds: Sequence[int], *, few: bool = False) -> Iterator[tuple[str, str, int]]:
    """``(key, damage, seed)``: every damage to every object, wrong bits at several places.

    Args:
        data: whose objects.
        seeds: of the places of wrong bits.
        few: of many alike (units, states) only the first and the last.
    """
    kinds: dict[str, list[str]] = {}
    for key in data.keys:
        part, _, rest = key.partition("/")
        kind = key if part == "checkpoint" else f"{part}.{rest[-5:]}"
        kinds.setdefault(kind, []).append(key)
    for key in (key for keys in kinds.values() for key in (sorted({keys[0], keys[-1]}) if few else keys)):
        for name in DAMAGES:
            yield from ((key, name, seed) for seed in (seeds if name == "flip" else seeds[:1]))


def patched() -> pytest.MonkeyPatch:
    """Extraction in this process; undo it."""
    patch = pytest.MonkeyPatch()
    patch_all(patch)
    return patch
