"""Reference pictures: their pixels, storage, and handling of damage."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from wsvad.dataset import layout
from wsvad.errors import DamagedError
from wsvad.features.encoding import ClipRows
from wsvad.features.pictures import (
    KEPT,
    SIDE,
    MedianPicture,
    UnitPicture,
    decode_picture,
    read_picture,
    shrink,
    write_picture,
)
from wsvad.storage import open_store

UNIT = "ab" * 16


def noise(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Return a frame of noise, RGB."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def picture_of(median: MedianPicture, unit_id: str = UNIT) -> UnitPicture:
    """Return the stored picture of a unit with two clips."""
    rows = [ClipRows(n, 16 * n, 16 * n + 16, n * 0.5, n * 0.5 + 0.5, np.zeros((1, 4)), None) for n in (3, 4)]
    return UnitPicture.of(unit_id, "gate/1.mp4", rows, median)


@pytest.mark.parametrize("size", [(96, 128), (224, 224), (45, 71)])
def test_shrink_is_the_mean_luma_of_a_grid(size):
    """Shrink is the mean luma of a grid."""
    frame = noise(0, *size)
    rows, columns = (np.append(np.arange(SIDE) * length // SIDE, length) for length in size)
    luma = frame @ np.array([0.299, 0.587, 0.114])
    slow = np.array([[luma[a:b, c:d].mean() for c, d in pairwise(columns)]
                     for a, b in pairwise(rows)])  # fmt: skip
    assert shrink(frame).shape == (SIDE, SIDE)
    assert np.abs(shrink(frame) - slow).max() <= 1.0  # rounded down


def test_frames_smaller_than_the_grid_are_repeated():
    """Frames smaller than the grid are repeated."""
    frame = noise(1, 16, 16)
    assert np.array_equal(shrink(frame), shrink(np.repeat(np.repeat(frame, 4, 0), 4, 1)))


def test_passing_people_are_not_in_the_picture():
    """The median over clips removes them."""
    empty, median = noise(2), MedianPicture()
    for step in range(20):
        frame = empty.copy()
        frame[:, 6 * step : 6 * step + 12] = 255
        median.add(frame)
    assert np.array_equal(median.grey(), shrink(empty))


@pytest.mark.parametrize("clips", [1, KEPT, KEPT + 1, 1000])
def test_a_long_unit_is_sampled_evenly(clips, monkeypatch):
    """Few pictures are held in memory, from the first to the last part of the unit."""
    monkeypatch.setattr("wsvad.features.pictures.shrink", lambda frame: np.full((SIDE, SIDE), frame[0, 0, 0]))
    median = MedianPicture()
    for n in range(clips):
        median.add(np.full((1, 1, 3), n * 255 // clips, np.uint8))
    assert len(median._kept) <= KEPT
    assert abs(int(median.grey()[0, 0]) - np.median(np.arange(clips) * 255 // clips)) <= 6


def test_a_picture_round_trips(tmp_path):
    """Writing another picture of the unit replaces it."""
    store, median = open_store(str(tmp_path)), MedianPicture()
    median.add(noise(3))
    assert read_picture(store, UNIT) is None
    write_picture(store, picture_of(median))
    found = read_picture(store, UNIT)
    assert (found.video_id, found.start_s, found.end_s) == ("gate/1.mp4", 1.5, 2.5)
    assert np.array_equal(found.grey_HW, median.grey())
    other = MedianPicture()
    other.add(noise(4))
    write_picture(store, picture_of(other))  # of another processor, or in place of a damaged one
    assert np.array_equal(read_picture(store, UNIT).grey_HW, other.grey())


def test_damage_is_reported(tmp_path):
    """The error names the object."""
    store, median = open_store(str(tmp_path)), MedianPicture()
    median.add(noise(5))
    write_picture(store, picture_of(median))
    key = layout.picture_key(UNIT)
    data = store.read(key)
    for bad in (b"", data[:-20], data.replace(b"gate/1", b"gate/2")):
        with pytest.raises(DamagedError, match=f"{key} is damaged"):
            decode_picture(key, bad)
    with pytest.raises(DamagedError, match="belongs to the unit"):
        decode_picture(layout.picture_key("cd" * 16), data)
    write_picture(store, replace(picture_of(median), grey="AAAA"))
    with pytest.raises(DamagedError, match=f"{key} is damaged"):
        read_picture(store, UNIT)
