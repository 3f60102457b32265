"""docs/papers.md refers to existing lines, and covers all presets of the papers' models."""

from __future__ import annotations

from tests.papers import PAGE, Reference, lines_with, references, renumbered
from wsvad.models.presets import PRESETS


def page() -> str:
    """The page as it is."""
    return PAGE.read_text(encoding="utf-8")


def test_references_are_valid():
    """The text is in the given line of the file and in no other; ``python -m tests.papers`` updates the numbers."""
    found = references(page())
    assert len(found) > 100
    wrong = [reference for reference in found if lines_with(reference.path, reference.text) != [reference.line]]
    assert not wrong


def test_every_row_has_a_reference_or_a_reason():
    """The reason is ``not built`` or ``not measured`` with an explanation."""
    rows = [line for line in page().splitlines() if line.startswith("|") and not line.startswith("|---")]
    heads = [line for line in rows if line.startswith("| what the paper says")]
    assert len(heads) == 4
    bare = [row for row in rows if row not in heads and not references(row) and "**not " not in row]
    assert not bare


def test_every_preset_of_the_papers_models_is_named():
    """Every preset that can be chosen is on the page."""
    missing = [f"{model}:{p}" for model in ("ltgs", "st_mil") for p in PRESETS[model] if f"`{p}`" not in page()]
    assert not missing


def test_moved_references_are_renumbered():
    """By their text, if exactly one line has it."""
    here, there, gone, common = "tests/papers.py", "class Refer" + "ence", "class Gone", "def "
    moved = renumbered(f"`{here}:9 {there}` and `{here}:9 {gone}`, `{here}:9 {common}`, `nowhere.py:9 {there}`")
    (line,) = lines_with(here, there)
    assert line != 9
    assert references(moved) == [
        Reference(here, line, there),
        Reference(here, 9, gone),
        Reference(here, 9, common),
        Reference("nowhere.py", 9, there),
    ]
