"""The page as bytes: its policy, its data, its parts."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.review_page import making
from wsvad.review import rendering
from wsvad.review.rendering import Mode, render_page

PAGE = Path(rendering.__file__).parent / "page"
HOSTILE = "</script><script>alert(1)</script><!--\u2028\u2029 & \udcff"


def elements(text: str, name: str) -> list[tuple[str, str]]:
    """Attributes and text of all elements of this name."""
    return re.findall(rf"<{name}([^>]*)>(.*?)</{name}>", text, re.DOTALL)


def policy(text: str) -> dict[str, str]:
    """The rules by name."""
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert found
    return dict(rule.split(" ", 1) for rule in html.unescape(found[1]).split("; "))


@pytest.mark.parametrize("mode", ["static", "served"])
def test_the_policy_names_the_digests_of_the_one_script_and_the_one_style(mode: Mode) -> None:
    """Nothing else runs, and only a served page may ask its own origin."""
    text = render_page(making.document([making.event(0)]), mode).decode()
    rules = policy(text)
    scripts = [body for attributes, body in elements(text, "script") if "json" not in attributes]
    styles = [body for _, body in elements(text, "style")]
    for bodies, rule in ((scripts, "script-src"), (styles, "style-src")):
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "'self' data: blob:"
    assert rules["media-src"] == "'self' blob:"
    assert rules.get("connect-src") == ("'self'" if mode == "served" else None)
    assert text.index("Content-Security-Policy") < text.index("<style") < text.index("<script")
    assert "\r" not in text


def test_what_is_not_the_script_holds_no_handler_and_no_style() -> None:
    """Attributes that run or style something are what the policy would stop; the template has none."""
    template = (PAGE / "index.html.j2").read_text()
    assert not re.search(r"\son\w+\s*=|\sstyle\s*=|javascript:", template)


def test_data_is_inert_and_comes_back_whole() -> None:
    """Also ends of elements, line separators and halves of surrogate pairs."""
    events = [making.event(number, name=HOSTILE, truth=[[1.0, 2.0]]) for number in range(150)]
    text = render_page(making.document(events, title=HOSTILE), "static").decode()
    blocks = {re.findall(r'id="([^"]*)"', a)[0]: body for a, body in elements(text, "script") if "json" in a}
    assert list(blocks) == ["review-data", "review-part-0", "review-part-1", "review-part-2"]
    assert all(not set(body) & {"<", ">", "&", "\u2028", "\u2029"} for body in blocks.values())
    document = json.loads(blocks.pop("review-data"))
    heavy = [event for body in blocks.values() for event in json.loads(body)]
    assert [light | rest for light, rest in zip(document["events"], heavy, strict=True)] == events
    assert document["title"] == HOSTILE
    assert text.count("<script>") == 1


def test_a_served_page_holds_nothing_of_the_events() -> None:
    """Whoever gets the page without the token learns the title, no more."""
    text = render_page(making.document([making.event(0, name="secret name")]), "served").decode()
    assert "secret name" not in text
    assert "site-north" not in text


def test_the_same_document_gives_the_same_bytes() -> None:
    """So that a folder that is written again does not change."""
    document = making.document([making.event(number) for number in range(3)])
    assert render_page(document, "static") == render_page(document, "static")


def test_a_number_that_json_does_not_have_is_refused() -> None:
    """Browsers read no NaN; a page that cannot be opened is worse than an error now."""
    with pytest.raises(ValueError, match="JSON"):
        render_page(making.document([making.event(0) | {"score": float("nan")}]), "static")


def test_every_file_of_the_page_is_joined_and_shipped() -> None:
    """A script that is not listed would be dead, a file that is not package data would be missing after install."""
    scripts = {path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.js")}
    styles = {path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.css")}
    assert scripts == set(rendering.SCRIPTS)
    assert styles == set(rendering.STYLES)
    specification = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert {"review/page/*", "review/page/vendor/*"} <= set(
        specification["tool"]["setuptools"]["package-data"]["wsvad"]
    )


def test_our_scripts_make_text_of_data_and_run_no_text() -> None:
    """No way from a string to markup or code."""
    for path in PAGE.glob("*.js"):
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            path
        )
        assert not re.search(r"setTimeout\(\s*[\"'`]", text), path
        assert len(text.splitlines()) < 350, path


@pytest.mark.parametrize("name", ["htm-LICENSE", "preact-LICENSE", "uplot-LICENSE"])
def test_licences_of_what_is_vendored_lie_beside_it(name: str) -> None:
    """And the list of versions names them."""
    assert (PAGE / "vendor" / name).stat().st_size > 1000
    assert name in (PAGE / "vendor" / "README.md").read_text()
