"""The wheel: it holds every file of the package, works without the repository, and its extras are enough alone."""

from __future__ import annotations

import csv
import functools
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.extraction.videos import write_video
from tests.test_packaging import PROJECT

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "wsvad")
EXTRAS = {
    "": ("wsvad.cli.main", "wsvad.interface", "wsvad.extraction.job", "wsvad.tuning.job", "wsvad.nightly.job"),
    "azure": ("adlfs",),
    "gcs": ("gcsfs",),
    "flow": ("wsvad.video.flow", "wsvad.pretraining.job", "cv2.optflow"),
    "optuna": ("optuna.samplers",),
    "mlflow": ("mlflow", "mlflow.store.tracking.sqlalchemy_store"),
    "wandb": ("wandb",),
    "pixelate": ("wsvad.review.detection", "cv2"),
    "serve": ("wsvad.review.server",),
    "docs": ("sphinx.application", "myst_parser.sphinx_ext.main", "furo"),
}
"""By extra, what needs it; "" is the package without any."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    words = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder / "dist"), str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    (built,) = (folder / "dist").glob("*.whl")
    return built


def test_every_file_of_the_package_is_in_it(wheel: Path):
    """Weights, templates, style sheets, the review page, the stub: what is in the folder is in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("wsvad/")}
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "wsvad").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == there


def test_it_works_without_the_repository(wheel: Path, tmp_path: Path):
    """From video to a report, with the files of the wheel alone."""
    target = tmp_path / "site"
    words = ["install", "-q", "--no-deps", "--no-compile", "--target", str(target), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    (tmp_path / "videos").mkdir()
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["video_id", "uri", "label", "split", "spans"])
        for number in range(8):
            write_video(tmp_path / "videos" / f"{number}.mp4", 50)
            spans = "20-40" if number % 2 else ""
            split = "test" if number > 5 else "train"
            rows.writerow([f"{number}.mp4", f"videos/{number}.mp4", number % 2, split, spans])
    program = """
import json, wsvad
codes = [
    wsvad.extract("videos", "features", ray=False).exit_code,
    wsvad.train("features", "manifest.csv", "st_mil", "run", steps=2, pairs=1, no_ray=True).exit_code,
    wsvad.score("features", "run/checkpoint", "scores", ray=False).exit_code,
    wsvad.evaluate("scores", "manifest.csv", "report").exit_code,
]
print(json.dumps({"codes": codes, "file": wsvad.__file__}))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(target)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"codes": [0, 0, 0, 0], "file": str(target / "wsvad" / "__init__.py")}
    assert "<svg" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


@functools.cache
def closure(extra: str) -> frozenset[str]:
    """Return the names of all distributions that ``wsvad[extra]`` brings, by what they declare."""
    waiting = [Requirement(text) for text in PROJECT["dependencies"]]
    waiting += [Requirement(text) for text in PROJECT["optional-dependencies"].get(extra, ())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            needed = [Requirement(text) for text in requires(requirement.name) or ()]
        except PackageNotFoundError:  # of another platform or version of Python
            continue
        waiting += [
            one for one in needed if not one.marker or any(one.marker.evaluate({"extra": e}) for e in ("", *key[1]))
        ]
    return frozenset(name for name, _ in seen)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_enough_alone(extra: str):
    """What needs it imports in a process in which only the modules that it brings can be imported."""
    allowed = {*closure(extra), "wsvad"}
    carried = {path.stem for path in (Path(find_spec("ray").origin).parent / "thirdparty_files").iterdir()}
    foreign = sorted(
        module
        for module, names in packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & allowed and module not in carried
    )
    program = f"""
import importlib, sys
for name in {[name for name in foreign if name.isidentifier()]!r}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
for name in {EXTRAS[extra]!r}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_extra_is_tested():
    """But that of the tests themselves."""
    assert set(EXTRAS) == {*PROJECT["optional-dependencies"], ""} - {"dev"}


def test_what_an_extra_does_not_bring_is_missed():
    """The test above can fail: without the extra its modules cannot be imported."""
    assert "starlette" not in closure("")
    assert {"starlette", "uvicorn"} <= closure("serve")
    assert "pytest" not in closure("serve")


def pythons() -> list[str]:
    """Return the interpreters of this machine that the package supports, one a version."""
    found = {}
    for path in [*Path("/usr/bin").glob("python3.1[1-9]"), *Path.home().glob(".pyenv/versions/3.1[1-9]*/bin/python")]:
        done = subprocess.run(
            [path, "-c", "import sys, ensurepip; print(*sys.version_info[:2])"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            found[done.stdout.strip()] = str(path)
    return list(found.values()) or [sys.executable]


@pytest.mark.slow
@pytest.mark.parametrize("python", pythons())
def test_the_demo_runs_in_an_empty_environment(python: str, wheel: Path, tmp_path: Path):
    """Of every supported Python on this machine: the wheel and its dependencies from the index, nothing else."""
    subprocess.run([python, "-m", "venv", tmp_path / "env"], check=True)
    pip = [tmp_path / "env" / "bin" / "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    done = subprocess.run(
        [tmp_path / "env" / "bin" / "wsvad", "demo", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["extract"]["exit_code"] == 0
