"""Ids are stable and safe for any name."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.errors import ManifestError
from wsvad.manifest.ids import MAX_ID_BYTES, check_id, content_id, id_from_key, id_problem


@pytest.mark.parametrize(
    "bad",
    [
        "", "../up.mp4", "a/../../b", "/etc/passwd", "a//b", "./a", "a/", "a\\b", "tab\there", "nul\x00", "line\nbreak",
        "\u202egpj.exe", "\udcff.mp4", " lead", "trail ", "x" * (MAX_ID_BYTES + 1), "e\u0301.mp4",
    ],
)  # fmt: skip
def test_unsafe_ids_are_rejected_in_manifests_and_hashed_in_listings(bad):
    """Path traversal, control characters, bidirectional overrides, invalid UTF-8, excessive length."""
    assert id_problem(bad)
    with pytest.raises(ManifestError, match="row 3"):
        check_id(bad, "m.csv, row 3")
    made = id_from_key(bad)
    assert id_problem(made) is None
    assert re.search(r"~[0-9a-f]{16}", made)
    assert id_from_key(bad) == made


@pytest.mark.parametrize("good", ["a.mp4", "cam 7/2024-01-01/x.mkv", "Überwachung.mp4", "x" * MAX_ID_BYTES])
def test_ordinary_names_are_used_as_ids(good):
    """So that users recognise their files."""
    assert id_from_key(good) == good == check_id(good, "here")


@given(st.text(max_size=3000))
def test_every_text_becomes_a_safe_id(text):
    """Including names of several kilobytes."""
    assert id_problem(id_from_key(text)) is None


_LETTERS = st.characters(max_codepoint=0x180) | st.sampled_from("\u0301\u202e\u2028\ufeff\U000e0001")


@given(st.text(_LETTERS, min_size=1, max_size=40))
def test_problems_of_characters_are_detected(text):
    """The fast path for plain names accepts no other text."""
    controls = any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text)
    composed = unicodedata.normalize("NFC", text) == text
    problem = id_problem(text) or ""
    assert ("control" in problem) == controls
    if not controls and "\\" not in text and text == text.strip():
        assert ("composition" in problem) == (not composed)


@given(st.lists(st.text(max_size=40), min_size=2, max_size=2, unique=True))
def test_different_names_get_different_ids(pair):
    """Hashing does not merge names."""
    assert id_from_key(pair[0]) != id_from_key(pair[1])


def test_content_id_depends_on_every_part():
    """The same bytes with two ids are two videos; a changed size or tag is other content."""
    ids = {content_id("a", "1", "x"), content_id("b", "1", "x"), content_id("a", "2", "x"), content_id("a", "1", "y")}
    assert len(ids) == 4
    assert content_id("a", "1x") != content_id("a", "1", "x")
