"""docs/papers.md points at lines that are there, and leaves no preset of the papers' models out."""

from __future__ import annotations

from tests.papers import PAGE, Reference, lines_with, references, renumbered
from wsvad.models.presets import PRESETS


def page() -> str:
    """The page as it is."""
    return PAGE.read_text(encoding="utf-8")


def test_every_line_that_the_page_points_at_has_what_it_says():
    """The file, the line, the text in it, and in no other line; ``python -m tests.papers`` renumbers."""
    found = references(page())
    assert len(found) > 100
    wrong = [reference for reference in found if lines_with(reference.path, reference.text) != [reference.line]]
    assert not wrong


def test_every_row_points_at_a_line_or_says_why_not():
    """A row of a table has a reference, or ``not built`` or ``not measured`` with the reason."""
    rows = [line for line in page().splitlines() if line.startswith("|") and not line.startswith("|---")]
    heads = [line for line in rows if line.startswith("| what the paper says")]
    assert len(heads) == 4
    bare = [row for row in rows if row not in heads and not references(row) and "**not " not in row]
    assert not bare


def test_every_preset_of_the_papers_models_is_named():
    """What can be chosen is said where."""
    missing = [f"{model}:{p}" for model in ("ltgs", "st_mil") for p in PRESETS[model] if f"`{p}`" not in page()]
    assert not missing


def test_a_reference_that_moved_is_renumbered_and_one_that_is_gone_is_not():
    """By its text, where exactly one line has it."""
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
