"""Pointers: the newest is current, none is overwritten, damage is reported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from wsvad.errors import ConflictError, DamagedError
from wsvad.nightly.pointers import newest, point, pointer_key, read_pointer
from wsvad.storage import open_store

FOLDER = "current/"


def test_newest_pointer_is_current(tmp_path):
    """None before the first, then each pointer based on the previous one."""
    store = open_store(str(tmp_path))
    assert newest(store, FOLDER, ("a",)) is None
    first = point(store, FOLDER, None, {"a": 1})
    second = point(store, FOLDER, first, {"a": 2})
    assert (first.number, second.number) == (1, 2)
    found = newest(store, FOLDER, ("a",))
    assert found is not None
    assert (found.number, found.body) == (2, {"a": 2})
    assert read_pointer(store, FOLDER, 1, ("a",)).body == {"a": 1}


def test_outdated_writer_is_refused(tmp_path):
    """A writer based on an older state publishes nothing, even if its body equals the newer one."""
    store = open_store(str(tmp_path))
    first = point(store, FOLDER, None, {"a": 1})
    point(store, FOLDER, first, {"a": 2})
    for base in (None, first):
        with pytest.raises(ConflictError, match="another run published meanwhile"):
            point(store, FOLDER, base, {"a": 2})
    (tmp_path / pointer_key(FOLDER, 1)).unlink()  # a gap is not filled
    with pytest.raises(ConflictError):
        point(store, FOLDER, None, {"a": 3})
    assert len(list((tmp_path / "current").iterdir())) == 1


def test_one_of_many_concurrent_writers(tmp_path):
    """Of concurrent writers with the same base, one publishes."""
    store = open_store(str(tmp_path))
    first = point(store, FOLDER, None, {"a": 0})

    def attempt(n: int) -> bool:
        try:
            point(open_store(str(tmp_path)), FOLDER, first, {"a": n})
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(1, 17))) == 1


def test_damage_is_reported(tmp_path):
    """A truncated or altered pointer raises; an older state is not used instead."""
    store = open_store(str(tmp_path))
    path = tmp_path / pointer_key(FOLDER, 1)
    point(store, FOLDER, None, {"a": 1})
    whole = path.read_bytes()
    for data in (b"", whole[:-3], whole.replace(b": 1", b": 2")):
        assert data != whole
        path.write_bytes(data)
        with pytest.raises(DamagedError, match="00000001"):
            newest(store, FOLDER, ("a",))
