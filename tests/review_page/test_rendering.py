"""The page as bytes: policy, data, parts."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.review_page import synthetic
from wsvad.review import rendering
from wsvad.review.rendering import Mode, render_page

PAGE = Path(rendering.__file__).parent / "page"
HOSTILE = "</script><script>alert(1)</script><!--\u2028\u2029 & \udcff"


def elements(text: str, name: str) -> list[tuple[str, str]]:
    """Return attributes and text of all elements with this name."""
    return re.findall(rf"<{name}([^>]*)>(.*?)</{name}>", text, re.DOTALL)


def policy(text: str) -> dict[str, str]:
    """Return the rules of the policy by name."""
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert found
    return dict(rule.split(" ", 1) for rule in html.unescape(found[1]).split("; "))


@pytest.mark.parametrize("mode", ["static", "served"])
def test_policy_lists_the_digests_of_script_and_style(mode: Mode) -> None:
    """Nothing else can run, and only a served page may connect to its origin."""
    text = render_page(synthetic.document([synthetic.event(0)]), mode).decode()
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


def test_markup_has_no_handlers_and_styles() -> None:
    """The policy would block such attributes; the template has none."""
    template = (PAGE / "index.html.j2").read_text()
    assert not re.search(r"\son\w+\s*=|\sstyle\s*=|javascript:", template)


def test_data_round_trip() -> None:
    """Including element ends, line separators and unpaired surrogates."""
    events = [synthetic.event(number, name=HOSTILE, truth=[[1.0, 2.0]]) for number in range(150)]
    text = render_page(synthetic.document(events, title=HOSTILE), "static").decode()
    blocks = {re.findall(r'id="([^"]*)"', a)[0]: body for a, body in elements(text, "script") if "json" in a}
    assert list(blocks) == ["review-data", "review-part-0", "review-part-1", "review-part-2"]
    assert all(not set(body) & {"<", ">", "&", "\u2028", "\u2029"} for body in blocks.values())
    document = json.loads(blocks.pop("review-data"))
    heavy = [event for body in blocks.values() for event in json.loads(body)]
    assert [light | rest for light, rest in zip(document["events"], heavy, strict=True)] == events
    assert document["title"] == HOSTILE
    assert text.count("<script>") == 1


def test_served_page_contains_no_events() -> None:
    """Without a token only the title is visible."""
    text = render_page(synthetic.document([synthetic.event(0, name="secret name")]), "served").decode()
    assert "secret name" not in text
    assert "site-north" not in text


def test_rendering_is_deterministic() -> None:
    """So that rewriting a folder does not change it."""
    document = synthetic.document([synthetic.event(number) for number in range(3)])
    assert render_page(document, "static") == render_page(document, "static")


def test_nan_is_refused() -> None:
    """Browsers cannot parse NaN, so an error is better than an unusable page."""
    with pytest.raises(ValueError, match="JSON"):
        render_page(synthetic.document([synthetic.event(0) | {"score": float("nan")}]), "static")


def test_all_parts_are_included_and_packaged() -> None:
    """An unlisted script would be unused; a file outside the package data would be missing."""
    scripts = {path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.js")}
    styles = {path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.css")}
    assert scripts == set(rendering.SCRIPTS)
    assert styles == set(rendering.STYLES)
    specification = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert {"review/page/*", "review/page/vendor/*"} <= set(
        specification["tool"]["setuptools"]["package-data"]["wsvad"]
    )


def test_scripts_do_not_insert_markup() -> None:
    """No script turns strings into markup or code."""
    for path in PAGE.glob("*.js"):
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            path
        )
        assert not re.search(r"setTimeout\(\s*[\"'`]", text), path
        assert len(text.splitlines()) < 350, path


@pytest.mark.parametrize("name", ["htm-LICENSE", "preact-LICENSE", "uplot-LICENSE"])
def test_licences_of_vendored_libraries(name: str) -> None:
    """They are stored beside the libraries, and the list of versions names them."""
    assert (PAGE / "vendor" / name).stat().st_size > 1000
    assert name in (PAGE / "vendor" / "README.md").read_text()
