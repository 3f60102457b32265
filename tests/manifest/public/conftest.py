"""Fixtures: the published annotation files, unpacked once, and writable copies of them."""

import zipfile
from pathlib import Path

import pytest

ARCHIVE = Path(__file__).resolve().parents[2] / "data" / "annotations.zip"


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Return the folder of all published annotation files, which must not be modified."""
    folder = tmp_path_factory.mktemp("published")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def copied(published, tmp_path):
    """Return a function that copies a data set's annotation files to a writable folder and returns the folder."""

    def copy(name):
        target = tmp_path / "root"
        target.mkdir(exist_ok=True)
        for path in (published / name).iterdir():
            (target / path.name).write_bytes(path.read_bytes())
        return target

    return copy
