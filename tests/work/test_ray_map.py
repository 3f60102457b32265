"""Functions of many small items on Ray: all results, lost workers, errors, and early ends."""

from __future__ import annotations

import functools
import itertools
import logging
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from wsvad.errors import UsageError
from wsvad.work.ray_map import map_on_cluster

pytestmark = pytest.mark.usefixtures("ray_session")


def doubled(items: Sequence[int], folder: Path, driver: int, dies: str = "") -> list[tuple[int, int]]:
    """Return each item, doubled, with the process; a worker dies at item 7, ``once`` or ``always``."""
    (folder / f"{os.getpid()}-{time.monotonic_ns()}").write_text(str(len(items)))
    on_cluster = os.getpid() != driver
    if 7 in items and on_cluster and (dies == "always" or (dies == "once" and not (folder / "died").exists())):
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return [(2 * item, os.getpid()) for item in items]


def results_of(folder: Path, count: int, dies: str = "") -> list[tuple[int, int]]:
    """Return all results on Ray."""
    work = functools.partial(doubled, folder=folder, driver=os.getpid(), dies=dies)
    return [found for some in map_on_cluster(work, range(count), cpus_per_task=0.5) for found in some]


@pytest.mark.parametrize("count", [0, 1, 500])
def test_every_item_has_one_result(tmp_path, count):
    """In processes of the cluster; many items share a task."""
    found = results_of(tmp_path, count)
    assert sorted(value for value, _ in found) == [2 * item for item in range(count)]
    assert os.getpid() not in {process for _, process in found}
    assert len(list(tmp_path.iterdir())) <= max(count, 64)


def test_a_lost_worker_loses_nothing(tmp_path):
    """Its task runs again."""
    found = results_of(tmp_path, 40, dies="once")
    assert sorted(value for value, _ in found) == [2 * item for item in range(40)]
    assert os.getpid() not in {process for _, process in found}


def test_items_whose_workers_are_always_lost_are_processed_here(tmp_path, caplog):
    """With a warning; all other items stay on the cluster."""
    with caplog.at_level(logging.WARNING):
        found = results_of(tmp_path, 8, dies="always")
    assert sorted(value for value, _ in found) == [2 * item for item in range(8)]
    assert [value for value, process in found if process == os.getpid()] == [14]
    assert "a task with 1 items was lost 3 times, they are processed here" in caplog.text


def refuse(items: Sequence[int]) -> list[int]:
    """Raise an error of the package."""
    raise UsageError(f"no {items[0]}")


def test_errors_of_the_function_are_raised(tmp_path):
    """As in this process."""
    with pytest.raises(UsageError, match=r"^no \d$"):
        list(map_on_cluster(refuse, range(3), cpus_per_task=0.5))


def sleep(items: Sequence[float]) -> list[float]:
    """Sleep for the sum of the items."""
    time.sleep(sum(items))
    return list(items)


def test_it_can_be_closed_early():
    """After the first result; a result is awaited for a second at most, which lets a caller write what it has."""
    started = time.monotonic()
    arriving = map_on_cluster(sleep, [0.0, 60.0, 60.0, 60.0, 60.0], cpus_per_task=0.5)
    first = next(some for some in arriving if some)
    assert first == [0.0]
    assert next(arriving) == []
    arriving.close()
    assert time.monotonic() - started < 30
    assert list(itertools.islice(arriving, 1)) == []
