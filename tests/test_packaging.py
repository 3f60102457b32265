"""Declared, pinned and imported dependencies agree."""

from __future__ import annotations

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import wsvad
from tests import hashes
from tests.licences import licences
from tests.test_layers import imports, sources

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = [Requirement(text) for extra in PROJECT["optional-dependencies"].values() for text in extra]
PINS = {
    canonicalize_name(name): version
    for name, version in (
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
}


@pytest.mark.parametrize("requirement", [*RUNTIME, *EXTRAS], ids=lambda requirement: requirement.name)
def test_pinned_versions_are_in_the_declared_ranges(requirement: Requirement) -> None:
    """Every dependency is pinned in ``constraints.txt`` to a version that ``pyproject.toml`` allows."""
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_the_pins_are_plain_versions() -> None:
    """No path, host, hash or local label, so that any index and any build will do."""
    for name, version in PINS.items():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", name), name
        assert str(Version(version)) == version, (name, version)
        assert Version(version).local is None


def test_the_hashed_requirements_are_the_constraints() -> None:
    """The same versions; besides, what torch's CUDA build needs. One line each, so that ``grep -v`` can leave some out.

    No host and no option, so that any index will do.
    """
    lines = [line for line in hashes.FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found = [re.fullmatch(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    hashed = {match[1]: match[2] for match in found if match}
    assert len(hashed) == len(lines)
    assert {name: hashed.get(name) for name in PINS} == PINS
    assert all(re.match("cuda-|nvidia-|triton$|setuptools$", name) for name in hashed.keys() - PINS.keys())


def test_hashed_requirements_come_from_a_report_of_pip() -> None:
    """Of each file the hash, and neither its address nor a local label; the package itself is not among them."""
    report = {
        "install": [
            {
                "metadata": {"name": name, "version": version},
                "download_info": {"url": "https://index.example/f.whl", "archive_info": {"hashes": {"sha256": "ab"}}},
            }
            for name, version in (("Typing_Extensions", "4.0"), ("torch", "2.13.0+cpu"))
        ]
        + [{"metadata": {"name": "wsvad", "version": "1"}, "download_info": {"dir_info": {}}}]
    }
    assert hashes.lines_of(report) == ["torch==2.13.0 --hash=sha256:ab", "typing-extensions==4.0 --hash=sha256:ab"]


def test_the_licence_list_has_every_package() -> None:
    """With a licence for each dependency; a package that states none is named as such."""
    found = {canonicalize_name(name): licence for name, _, licence in licences()}
    assert [r.name for r in RUNTIME if found.get(canonicalize_name(r.name), "not stated") == "not stated"] == []


def test_torch_has_no_upper_bound() -> None:
    """Images bring their own build; the pin is the tested version."""
    (torch,) = (requirement for requirement in RUNTIME if requirement.name == "torch")
    assert {specifier.operator for specifier in torch.specifier} == {">="}
    assert PINS["torch"] == "2.13.0"


def test_imports_and_declared_dependencies_agree() -> None:
    """Every import is a declared dependency, and every dependency is imported. OpenCV (optical flow, pixelation) and
    Optuna are extras.
    """
    imported = {
        name.split(".")[0] for path in chain(sources("wsvad"), sources("jobs")) for _, name in imports(path)
    } - sys.stdlib_module_names
    known_by_another_name = {
        "aiobotocore": "s3fs",
        "aiohttp": "s3fs",
        "botocore": "s3fs",
        "cv2": "opencv-contrib-python-headless",
        "grpc": "grpcio",
        "mlflow": "mlflow-skinny",
        "PIL": "pillow",
        "sklearn": "scikit-learn",
    }
    extras = (
        PROJECT["optional-dependencies"][name] for name in ("flow", "mlflow", "optuna", "pixelate", "serve", "wandb")
    )
    declared = {r.name for r in RUNTIME} | {Requirement(text).name for extra in extras for text in extra}
    found_by_others = {"alembic", "sqlalchemy", "tzdata"}  # MLflow's database; the standard library's time zones
    assert {known_by_another_name.get(name, name) for name in imported - {"wsvad"}} == declared - found_by_others


def test_the_version_is_valid() -> None:
    """``wsvad.__version__`` is a canonical version, and the command's entry point exists."""
    assert str(Version(wsvad.__version__)) == wsvad.__version__
    module, _, function = PROJECT["scripts"]["wsvad"].partition(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))
