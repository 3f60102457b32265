"""Cache folder: one build per node, never an incomplete file, and cleanup."""

import multiprocessing
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import IO

import pytest

from wsvad.errors import StorageError, UsageError
from wsvad.features import cache_folder
from wsvad.features.cache_folder import build_once, default_folder, mark_used, prune_caches

SPAWN = multiprocessing.get_context("spawn")
CONTENT = bytes(range(256)) * 64


def write_content(file: IO[bytes]) -> None:
    """Write a complete cache."""
    file.write(CONTENT)


def build_and_record(path: Path, start, builders: Path) -> None:
    """Build when all processes are ready; the writer appends its process id to a file."""

    def write(file: IO[bytes]) -> None:
        with builders.open("a") as told:
            told.write(f"{os.getpid()}\n")
        write_content(file)

    start.wait()
    build_once(path, len(CONTENT), write)
    assert path.read_bytes() == CONTENT


def build_and_die(path: Path) -> None:
    """Build, and be killed after half of the content."""

    def write(file: IO[bytes]) -> None:
        file.write(CONTENT[: len(CONTENT) // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    build_once(path, len(CONTENT), write)


def run(target, *arguments) -> int:
    """Return the exit code of a process."""
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def test_processes_of_a_node_build_once(tmp_path) -> None:
    """Four start at the same moment: one writes, all find the complete file."""
    path, builders, start = tmp_path / "segments-a.npy", tmp_path / "builders", SPAWN.Barrier(4)
    processes = [SPAWN.Process(target=build_and_record, args=(path, start, builders)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(builders.read_text().splitlines()) == 1


def test_leftovers_of_a_killed_builder_are_not_used(tmp_path) -> None:
    """Its incomplete file never has the final name; the next builder takes over at once."""
    path = tmp_path / "segments-a.npy"
    assert run(build_and_die, path) == -signal.SIGKILL
    assert sorted(p.name for p in tmp_path.iterdir()) == ["segments-a.lock", "segments-a.tmp"]
    build_once(path, len(CONTENT), write_content)
    assert path.read_bytes() == CONTENT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["segments-a.lock", "segments-a.npy"]


def test_a_failed_build_leaves_nothing_and_can_be_repeated(tmp_path) -> None:
    """An error of the features is raised unchanged; one of the disk is translated."""
    path = tmp_path / "new" / "segments-a.npy"

    def damaged(file: IO[bytes]) -> None:
        file.write(b"some")
        raise StorageError("damaged features")

    def full(file: IO[bytes]) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"^damaged features$"):
        build_once(path, 4, damaged)
    with pytest.raises(StorageError, match=r"cannot write the cache .*segments-a.npy of 0.0 MiB: No space left"):
        build_once(path, 4, full)
    assert [p.name for p in path.parent.iterdir()] == ["segments-a.lock"]
    build_once(path, len(CONTENT), write_content)
    assert path.read_bytes() == CONTENT


def test_a_full_disk_is_detected_before_writing(tmp_path, monkeypatch) -> None:
    """The error states the required and the free space, and the remedy."""
    disk = shutil.disk_usage(tmp_path)._replace(free=10 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: disk)
    with pytest.raises(StorageError, match=r"has 10.0 MiB free, .* needs 64.0 MiB .* set TMPDIR") as caught:
        build_once(tmp_path / "segments-a.npy", 64 << 20, write_content)
    assert caught.value.exit_code == 4
    assert not list(tmp_path.glob("*.tmp"))


def test_a_cache_larger_than_the_disk_is_a_usage_error(tmp_path) -> None:
    """No other job that ends would free the space: exit code 2."""
    with pytest.raises(UsageError, match=r"needs 1099511627776.0 MiB, and the whole disk .* fewer segments"):
        build_once(tmp_path / "segments-a.npy", 1 << 60, write_content)
    assert not list(tmp_path.glob("*.tmp"))


def test_a_file_in_place_of_the_folder_is_a_storage_error(tmp_path) -> None:
    """Not an OSError."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write the cache"):
        build_once(tmp_path / "file" / "segments-a.npy", len(CONTENT), write_content)


def test_pruning_removes_old_and_abandoned_caches(tmp_path) -> None:
    """By last use; caches in use and files of others are kept, leftovers of killed builders are removed."""
    for name in ("old", "new"):
        build_once(tmp_path / f"segments-{name}.npy", len(CONTENT), write_content)
        os.utime(tmp_path / f"segments-{name}.npy", (0, 0))
    mark_used(tmp_path / "segments-new.npy")
    run(build_and_die, tmp_path / "segments-dead.npy")
    (tmp_path / "other.npy").write_bytes(b"not ours")
    freed = prune_caches(tmp_path, unused_s=3600)
    assert freed == len(CONTENT) + len(CONTENT) // 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.npy", "segments-new.lock", "segments-new.npy"]
    assert prune_caches(tmp_path) == len(CONTENT)
    assert [p.name for p in tmp_path.iterdir()] == ["other.npy"]


def test_pruning_skips_caches_being_built(tmp_path) -> None:
    """The lock shows that it is being built, also if the builder itself prunes first."""
    path, old = tmp_path / "segments-a.npy", tmp_path / "segments-old.npy"
    build_once(old, len(CONTENT), write_content)
    os.utime(old, (0, 0))

    def write(file: IO[bytes]) -> None:
        assert not old.exists()
        file.write(CONTENT[:100])
        assert prune_caches(tmp_path) == 0
        file.write(CONTENT[100:])

    build_once(path, len(CONTENT), write, unused_s=3600)
    assert path.read_bytes() == CONTENT


def test_waiting_for_a_pruned_lock_takes_a_new_one(tmp_path) -> None:
    """A lock on an unlinked file locks nothing."""
    lock = tmp_path / "segments-a.lock"
    taken = []
    original = cache_folder._flock

    def take(descriptor: int, path: Path, *, wait: bool) -> None:
        original(descriptor, path, wait=wait)
        taken.append(os.fstat(descriptor).st_ino)
        if len(taken) == 1:
            path.unlink()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_folder, "_flock", take)
        with cache_folder._lock(lock):
            assert lock.stat().st_ino == taken[1]
    assert len(taken) == 2


def test_the_default_folder_is_private(tmp_path, monkeypatch) -> None:
    """Below TMPDIR; one that others can write to is refused."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = default_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert default_folder() == folder
    folder.chmod(0o777)
    with pytest.raises(UsageError, match="only this user can write"):
        default_folder()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(UsageError, match="only this user can write"):
        default_folder()
