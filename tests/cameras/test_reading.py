"""The cameras file: all problems are reported at once."""

import tomllib
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.cameras.config import SETTINGS, Camera, Cameras, Mask
from wsvad.cameras.reading import parse_cameras, read_cameras
from wsvad.errors import UsageError

FILE = """
[defaults]
time_zone = "Europe/Berlin"
purpose = "entrances"
retention_days = 30

[[camera]]
pattern = "{camera}/{year}{month}{day}_{hour}{minute}{second}.mp4"

[[camera]]
name = "gate"
budget = 0.5
high = 0.7
low = 0.5
masks = [[0, 0, 1, 0.25]]

[[camera]]
name = "yard"
pattern = ["yard-{epoch}.ts", "old/yard/{year}-{month}-{day}-{hour}.ts"]
time_zone = "UTC"
legal_hold = true
"""


def test_a_file_is_read(tmp_path):
    """Defaults, a table with a pattern, and a table that refines one camera."""
    (tmp_path / "cameras.toml").write_text(FILE)
    cameras = read_cameras(str(tmp_path / "cameras.toml"))
    rule, found = cameras.find("gate/20260329_120000.mp4")
    plain = {"time_zone": "Europe/Berlin", "purpose": "entrances", "retention_days": 30}
    assert cameras.camera(found.camera, rule) == Camera(
        name="gate", **plain, budget=0.5, high=0.7, low=0.5, masks=(Mask(0.0, 0.0, 1.0, 0.25),)
    )
    rule, found = cameras.find("yard-1700000000.ts")
    assert (rule.name, found.camera) == ("yard", None)
    assert cameras.camera("yard", rule) == Camera(name="yard", **plain | {"time_zone": "UTC"}, legal_hold=True)
    assert cameras.find("elsewhere.mp4") is None


def test_the_example_in_the_documentation_is_valid():
    """And the documentation describes every setting."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
    cameras = parse_cameras(tomllib.loads(page.partition("```toml\n")[2].partition("```")[0]))
    rule, found = cameras.find("yard/2026-10-25/020000_1.mp4")
    assert (found.camera, found.local) == ("yard", datetime(2026, 10, 25, 2))
    assert cameras.camera("yard", rule).budget == 0.5
    assert all(f"`{key}`" in page for key in SETTINGS)


def test_without_a_file_there_are_no_rules():
    """And no defaults other than those of ``Camera``."""
    assert read_cameras(None) == Cameras()


def test_all_problems_are_reported_at_once():
    """Each with its table and key, and a suggestion."""
    document = tomllib.loads("""
        cameras = 1
        [defaults]
        time_zone = "Berlin"
        retention = 3
        [[camera]]
        name = "a"
        pattern = "{camera}/{cam}.mp4"
        budgt = 2
        [[camera]]
        name = "b"
        pattern = "{camera}/x.mp4"
        masks = [[0, 0, 2, 1]]
        fold = "frist"
        [[camera]]
        pattern = "x{year}{month}{day}{hour}"
        budget = -1
        legal_hold = "yes"
        [[camera]]
        name = "../up"
        [[camera]]
        budget = 1
    """)
    with pytest.raises(UsageError) as caught:
        parse_cameras(document, "cameras.toml")
    message = str(caught.value)
    for text in (
        "unknown key 'cameras'; did you mean 'camera'",
        "defaults: unknown key 'retention'; did you mean 'retention_days'",
        "defaults: time_zone must be an IANA name such as 'Europe/Berlin' or 'UTC', got 'Berlin'; did"
        " you mean 'Europe/Berlin'",
        "camera 1 ('a'): unknown key 'budgt'; did you mean 'budget'",
        "camera 1 ('a'): pattern '{camera}/{cam}.mp4' has the unknown field 'cam'",
        "camera 2 ('b'): expected either a name or {camera} in the pattern, got both",
        "camera 2 ('b'): masks must be a list",
        "camera 2 ('b'): fold must be one of order, first, second, got 'frist'; did you mean 'first'",
        "camera 3: budget must be a number from 0",
        "camera 3: legal_hold must be true or false",
        "camera 3: pattern 'x{year}{month}{day}{hour}' has no {camera}, so the table needs a name",
        "camera 3: the pattern contains a local time, so time_zone is required",
        "camera 4: invalid name '../up'",
        "camera 5: expected a name or a pattern",
    ):
        assert text in message
    assert message.startswith("cameras.toml: 14 problems")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected at least one"),
        ("camera = 3", r"expected \[\[camera\]\]"),
        ("[camera]\nname = 'a'", r"expected \[\[camera\]\]"),
        ("[[camera]]\nname = 'a'\n[[camera]]\nname = 'a'", "exists already"),
        ("[[camera]]\nname = 'a'\npattern = 'x'\n[[camera]]\nname = 'a'\npattern = 'y'", "patterns in one list"),
        ("[[camera]]\nname = 'a'\npattern = 'x'\n[[camera]]\nname = 'b'\npattern = 'x'", "occurs twice"),
        ("[[camera]]\nname = 'a'\nlow = 0.2", "low goes with high"),
        ("[[camera]]\nname = 'a'\nlow = 0.2\nhigh = 0.1", "low must be at most high"),
        ("[[camera]]\nname = 'a'\npurpose = 1", "purpose must be"),
        ("[[camera]]\nname = 'a'\nretention_days = 0", "from 1"),
        ("a = " + "[" * 5000, "nested|TOML|camera"),
        ("\ud800", "utf-8"),
        ("defaults = 1", "expected a table"),
    ],
)
def test_invalid_files_are_rejected(text, message, tmp_path):
    """With ``UsageError``, whatever the file contains."""
    (tmp_path / "c.toml").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(UsageError, match=message):
        read_cameras(str(tmp_path / "c.toml"))
    with pytest.raises(UsageError, match="does not exist"):
        read_cameras(str(tmp_path / "none.toml"))


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(SETTINGS), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["defaults", "camera", "x"]),
        _VALUES | st.lists(st.dictionaries(st.sampled_from(["name", "pattern", *SETTINGS]), _VALUES), max_size=3),
    )
)
def test_any_document_is_valid_or_rejected(document):
    """Values of other types raise no other error."""
    try:
        cameras = parse_cameras(document)
    except UsageError:
        return
    for rule in cameras.rules:
        assert rule.name is not None or "camera" in rule.patterns[0].fields
    assert isinstance(cameras.camera("a"), Camera)
