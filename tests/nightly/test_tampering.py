"""Moved and covered cameras are reported; changes of light, short occlusions and rotating cameras are not."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from tests.metrics.test_picture_similarity import lit, scene
from wsvad.dataset import layout
from wsvad.dataset.lists import SnapshotObject
from wsvad.dataset.publish import publish
from wsvad.errors import DamagedError
from wsvad.events.sources import Source
from wsvad.features.pictures import UnitPicture, write_picture
from wsvad.nightly.published import SnapshotRef
from wsvad.nightly.reference_pictures import delete_pictures_of, read_pictures
from wsvad.nightly.tampering import CameraViews
from wsvad.nightly.window import DAY_S, Window
from wsvad.storage import open_store

START = datetime(2026, 3, 1)
EPOCH = datetime(1970, 1, 1)
HERE, THERE = scene(1), scene(2)
FLAT = np.full((32, 32), 30, np.uint8)


def noisy(picture, hour):
    """Return the picture by day or by night, with some noise."""
    night = picture if 6 <= hour % 24 < 20 else lit(picture, 0.15, 4)
    return np.clip(night + np.random.default_rng(hour).normal(0, 1.5, (32, 32)), 0, 255).astype(np.uint8)


class Camera:
    """A camera with one video per hour, each of one unit."""

    def __init__(self, folder, timed=True):
        self.root, self.timed = open_store(str(folder / "root")), timed
        self.out = open_store(f"{self.root.uri}/features/x")
        self.sources, self.old = [], 0

    def show(self, *pictures):
        """Record one hour of each of these pictures."""
        rows, objects = [], []
        for picture in pictures:
            hour = len(self.sources)
            name, unit_id = f"gate/{hour:04d}.mp4", f"{hour:032x}"
            begin = (START + timedelta(hours=hour) - EPOCH).total_seconds()
            content = f"sha256:{hour}"
            self.sources.append(
                Source(name, content, "", f"{hour:064x}", int(begin * 1e6) if self.timed else None, 600.0, None, None,
                       None, "complete", None, None, ())
            )  # fmt: skip
            if picture is not None:
                grey = base64.b64encode(noisy(picture, hour).tobytes()).decode()
                write_picture(self.out, UnitPicture(unit_id, name, 0.0, 600.0, grey))
            objects.append(SnapshotObject(layout.unit_key(unit_id), name, content, 0, 1, 1, 1, 10, "0" * 64))
            rows.append({"video_id": name, "uri": "", "content_id": content, "status": "complete", "notes": []})
            rows[-1] |= {"expected_clips": 1, "clips": 1, "duration_s": 600.0}
        created, names = "2026-03-01T00:00:00+00:00", frozenset(row["video_id"] for row in rows)
        published = {"replaced_videos": names, "run_id": "t", "created_utc": created}
        number = publish(self.out, "sha256:f", {}, objects, rows, **published).number
        self.at = SnapshotRef("features/x", number, "sha256:f")

    def look(self, before=None, create_references=True):
        """Return the result for the newest day, or for the new videos."""
        if self.timed:
            end = self.sources[-1].end_s
            newest = tuple(s for s in self.sources if s.end_s > end - DAY_S)
            earlier = tuple(s for s in self.sources if s.begin_s < end - DAY_S)
            window = Window("gate", end - DAY_S, end, newest, earlier, self.sources[0].begin_s)
        else:
            window = Window("gate", None, None, tuple(self.sources[self.old :]), tuple(self.sources[: self.old]))
        self.old = len(self.sources)
        return CameraViews(self.root, self.at).compare(window, before, create_references=create_references)


@pytest.fixture
def camera(tmp_path):
    """A camera that showed one scene for two days, and its reference."""
    found = Camera(tmp_path)
    found.show(*[HERE] * 48)
    assert found.look().reason == ""
    return found


def test_first_day_has_no_reference(tmp_path):
    """On the first day there is no reference to compare with."""
    camera = Camera(tmp_path)
    camera.show(*[HERE] * 24)
    found = camera.look()
    assert (found.reference, found.reason, found.moved) == (None, "no reference yet", False)


@pytest.mark.parametrize("timed", [True, False])
def test_unchanged_view_by_day_and_night(tmp_path, timed):
    """An unchanged view is not reported, by day or night."""
    camera = Camera(tmp_path, timed)
    camera.show(*[HERE] * 48)
    camera.look()
    camera.show(*[HERE] * 24)
    found = camera.look()
    assert (found.moved, found.covered, found.reason, found.since_video) == (False, False, "", None)
    assert found.similarity > 0.8
    assert found.detail > 0.5


@pytest.mark.parametrize(
    ("picture", "flag"), [(THERE, "moved"), (np.roll(HERE, 5, axis=1), "moved"), (FLAT, "covered")]
)
def test_changed_view_is_reported_with_its_time(camera, picture, flag):
    """A change is reported with its start."""
    camera.show(*[HERE] * 5, *[picture] * 10)
    found = camera.look()
    assert {"moved": found.moved, "covered": found.covered} == {"moved": flag == "moved", "covered": flag == "covered"}
    assert found.since_video == "gate/0053.mp4"
    assert found.since_utc == "2026-03-03T05:00:00.000+00:00"


def test_short_occlusion_is_not_reported(camera):
    """Occlusion for some hours is not reported, nor are two changed pictures at the end."""
    camera.show(*[THERE] * 6, *[HERE] * 3)
    assert not camera.look().moved
    camera.show(*[THERE] * 2)
    assert not camera.look().moved
    camera.show(THERE)
    assert camera.look().moved


def test_reference_is_kept(camera):
    """A camera that stays moved is reported every night until the reference is deleted."""
    camera.show(*[THERE] * 24 * 9)
    found = camera.look()
    assert found.moved
    camera.root.delete(found.reference)
    assert not camera.look().moved


def test_rotating_camera_is_unknown(tmp_path):
    """A change of a rotating camera is unknown."""
    camera = Camera(tmp_path)
    camera.show(*[scene(seed) for seed in range(10, 58)])
    camera.show(*[scene(seed) for seed in range(60, 84)])
    found = camera.look()
    assert (found.moved, found.reason) == (False, "the footage of the reference shows several scenes")


def test_footage_without_pictures_is_unknown(camera):
    """A change is unknown for footage without pictures."""
    camera.show(*[None] * 24)
    found = camera.look()
    assert (found.moved, found.pictures) == (False, 0)
    assert found.reason.startswith("no pictures")


def test_unchanged_results_are_reused(camera):
    """Results are reused if their inputs did not change."""
    camera.show(*[THERE] * 12)
    found = camera.look()
    marked = replace(found, detail=-1.0)
    assert camera.look(before=marked) is marked
    camera.show(THERE)
    assert camera.look(before=marked).detail >= 0


def test_damaged_pictures(camera, caplog):
    """A damaged picture is logged and skipped; a damaged reference raises."""
    camera.show(*[THERE] * 10)
    camera.out.replace(layout.picture_key(f"{57:032x}"), b"{}")
    found = camera.look()
    assert found.moved
    assert "is damaged" in caplog.text
    camera.root.replace(found.reference, camera.root.read(found.reference).replace(b"gate", b"gaze"))
    with pytest.raises(DamagedError, match="delete it, and the next night creates"):
        camera.look()


def test_purge_deletes_references_of_its_videos(camera):
    """A purge deletes the references that contain a purged video."""
    kept = read_pictures(camera.root, "sha256:f", "gate", "utc")
    assert delete_pictures_of(camera.root, ["gate/0047.mp4", "yard/0001.mp4"]) == 0
    assert delete_pictures_of(camera.root, ["gate/0003.mp4"]) == 1
    assert read_pictures(camera.root, "sha256:f", "gate", "utc") is None
    assert b"gate/0003" not in repr(kept).encode()
