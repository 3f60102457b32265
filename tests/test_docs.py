"""The documentation: it builds without a warning, its links lead somewhere, its Python examples name what exists."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import wsvad
from wsvad.interface import FUNCTIONS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "cluster").rglob("*.md")])


def python_blocks() -> Iterator[tuple[str, str]]:
    """Yield the name of a page with a block of Python in it."""
    for page in PAGES:
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            yield page.relative_to(ROOT).as_posix(), block


def wrong_names(code: str) -> list[str]:
    """Return public names and keywords of the package that a program uses and that do not exist."""
    wrong = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "wsvad":
            wrong += [] if hasattr(wsvad, node.attr) or node.attr == "errors" else [node.attr]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FUNCTIONS:
            known = inspect.signature(getattr(wsvad, node.func.attr)).parameters
            wrong += [word.arg for word in node.keywords if word.arg and word.arg not in known]
    return wrong


def test_the_site_builds(tmp_path: Path):
    """With Sphinx, warnings as errors: links between pages and to headings, pages in no list, broken docstrings."""
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-c", "docs", "-W", "--keep-going", "-q", ".", tmp_path],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "docs" / "api.html").read_text(encoding="utf-8")
    for name in wsvad.__all__:
        assert name.startswith("_") or f'id="wsvad.{name}"' in reference, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path):
    """Also to files and folders of the repository, which have no page on the site, and to pictures."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(("page", "code"), list(python_blocks()))
def test_python_examples_name_what_exists(page: str, code: str):
    """They parse; functions, classes and keywords of the package are there."""
    assert wrong_names(code) == [], page


def test_wrong_names_are_found():
    """What the test above looks for."""
    assert wrong_names("import wsvad\nwsvad.train('f', stepz=3)\nwsvad.Nothing") == ["stepz", "Nothing"]


def test_the_readme_is_one_page():
    """Under 150 lines."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150
