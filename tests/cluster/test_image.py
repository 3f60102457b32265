"""The Dockerfile: linted, pinned, no root, no weights, no secrets; built where a builder and its base image are."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import wsvad
from tests.cluster.manifests import CLUSTER, ROOT
from wsvad.cli.main import VERBS

DOCKERFILE = CLUSTER / "Dockerfile"


def _instructions() -> list[tuple[str, str]]:
    """Name and arguments of each instruction, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(n, " ".join(rest.split())) for n, _, rest in (x.partition(" ") for x in whole.splitlines() if x.strip())]


def _values(name: str) -> list[str]:
    return [arguments for instruction, arguments in _instructions() if instruction == name]


def _hadolint(path: Path) -> list[str]:
    program = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run(
        [program, "--no-color", "--format", "json", path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode in (0, 1), done.stderr
    return [f"{found['line']}: {found['code']}: {found['message']}" for found in json.loads(done.stdout)]


def test_hadolint_has_nothing_to_say():
    """Its own rules and those of ShellCheck, none of them switched off."""
    assert _hadolint(DOCKERFILE) == []
    assert "hadolint ignore" not in DOCKERFILE.read_text()


def test_hadolint_would_say_something(tmp_path):
    """A base without a version, and packages without any."""
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN pip install torch\n")
    assert {line.split(": ")[1] for line in _hadolint(tmp_path / "Dockerfile")} >= {"DL3006", "DL3013"}


def test_the_base_is_pinned_and_the_user_is_not_root():
    """By digest and full version, of the Python that constraints.txt was made with; uid 1000."""
    (base,) = (value for value in _values("ARG") if value.startswith("BASE="))
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert _values("FROM") == ["${BASE}"]
    assert _values("USER") == ["1000:1000"]
    assert [name for name, _ in _instructions()].index("USER") > max(
        number for number, (name, _) in enumerate(_instructions()) if name in ("RUN", "COPY")
    )
    assert any("--uid 1000" in value for value in _values("RUN"))


def test_only_the_program_goes_into_the_image():
    """What is copied is small, ours and let through by .dockerignore, which closes everything else out."""
    assert _values("ADD") == []
    copied = [word for value in _values("COPY") for word in value.split()[:-1]]
    assert copied == ["constraints.txt", "pyproject.toml", "LICENSE", "README.md", "wsvad", "cluster/again.py"]
    first, *others = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert first == "*"
    assert sorted(line[1:] for line in others if line.startswith("!")) == sorted(copied)
    closed = [line for line in others if not line.startswith("!")]
    assert all(line.startswith("**/") for line in closed)
    weights = [p for p in (ROOT / "wsvad").rglob("*") if p.suffix in (".safetensors", ".pt", ".pth", ".npz", ".onnx")]
    left_out = [line.removeprefix("**/") for line in closed]
    let_through = [p.name for p in weights if not any(fnmatch.fnmatch(p.name, pattern) for pattern in left_out)]
    assert let_through == ["i3d_compact.safetensors"]  # ours
    secret = re.compile(r"(TOKEN|SECRET|PASSWORD|ACCESS_KEY|CREDENTIAL)", re.IGNORECASE)
    assert not [value for name in ("ARG", "ENV", "LABEL") for value in _values(name) if secret.search(value)]


def test_requirements_come_from_the_constraints_and_by_device():
    """The tested set; torch without CUDA for cpu; another device is refused."""
    (install,) = (value for value in _values("RUN") if "constraints.txt" in value)
    assert "-c constraints.txt" in install
    assert re.search(r"cpu\) index=--extra-index-url=https://download\.pytorch\.org/whl/cpu ;;", install)
    assert re.search(r"gpu\) index= ;;", install)
    assert re.search(r"\*\) .*exit 2", install)


def test_health_is_what_doctor_says():
    """In the form without a shell; the command and verb exist."""
    (health,) = _values("HEALTHCHECK")
    words = json.loads(health.partition("CMD ")[2])
    assert words[0] == "wsvad"
    assert words[1] in VERBS


_PIP = """#!/bin/sh
case "$1" in
  uninstall) rm -rf "$TARGET" ;;
  install) exec {python} -m pip install -q --no-deps --no-build-isolation --no-compile --target "$TARGET" . ;;
esac
"""


def test_the_two_installs_end_with_the_program(tmp_path):
    """The instructions themselves, in a folder: what stood in for the program while its requirements came is gone,
    and what is installed is the program, whatever its files' times.
    """
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").write_text(_PIP.format(python=sys.executable))
    (tmp_path / "bin" / "pip").chmod(0o755)
    inside, target = tmp_path / "opt", tmp_path / "target"
    inside.mkdir()
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "TARGET": str(target), "DEVICE": "cpu", "EXTRAS": "flow"}
    for name, value in _instructions():
        if name == "COPY" and "again.py" not in value:
            *sources, _ = value.split()
            for source in sources:
                whole = ROOT / source
                copy = shutil.copytree if whole.is_dir() else shutil.copy2
                copy(whole, inside / source)
        elif name == "RUN" and "pip install" in value:
            done = subprocess.run(
                ["/bin/sh", "-c", value], cwd=inside, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    assert f'__version__ = "{wsvad.__version__}"' in (target / "wsvad" / "__init__.py").read_text()
    assert (target / "wsvad" / "backbones" / "i3d_compact.safetensors").exists()
    assert sorted(p.name for p in inside.iterdir()) == ["LICENSE", "README.md", "constraints.txt", "pyproject.toml"]


@pytest.mark.slow
def test_the_image_builds():
    """With buildah, where it is installed and the base image is on this machine already: nothing is downloaded here."""
    buildah = shutil.which("buildah")
    if buildah is None:
        pytest.skip("no builder: apt-get install buildah")
    (base,) = (value.removeprefix("BASE=") for value in _values("ARG") if value.startswith("BASE="))
    there = subprocess.run(
        [buildah, "from", "--pull-never", base], capture_output=True, text=True, check=False, timeout=120
    )
    if there.returncode:
        pytest.skip(f"the base image is not on this machine: buildah pull {base.partition('@')[0]}")
    container = there.stdout.strip()
    subprocess.run([buildah, "rm", container], check=True, capture_output=True, timeout=120)
    done = subprocess.run(
        [buildah, "bud", "--pull-never", "-f", str(DOCKERFILE), "-t", "wsvad:test", str(ROOT)],
        capture_output=True, text=True, check=False, timeout=1400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]


def test_what_is_ignored_is_what_the_patterns_say():
    """Histories, environments, footage and lists of a checkout stay out of the build context."""
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in (".git", ".venv", "tests", "docs", "camera.mp4", "night.toml", ".env", "cluster/kuberay"):
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in kept), name
