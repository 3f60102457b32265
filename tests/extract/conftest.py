"""One Ray for all tests of extraction that run in this process, and a few small videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from tests.extract.videos import write_video
from tests.services.moto_server import CREDENTIALS


@pytest.fixture(scope="session")
def ray_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A small Ray whose workers may use the tests' S3; commands that run in this process use it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=300 << 20,
        )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five small videos of 1 to 61 frames, H.264 and MPEG-4, one in a folder below."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "sub").mkdir()
    for name, frames, codec in (
        ("long.mp4", 61, "libx264"),
        ("short.mp4", 17, "libx264"),
        ("exact.mkv", 16, "libx264"),
        ("one.mp4", 1, "libx264"),
        ("sub/old.avi", 30, "mpeg4"),
    ):
        write_video(folder / name, frames, codec=codec)
    (folder / "notes.txt").write_text("not a video")
    return folder
