"""The HTML page: it is self-contained, escapes adversarial names, and shows all parts of the report."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.data import gathered, planted, record, scores
from wsvad.evaluation.document import compute_metrics
from wsvad.evaluation.events import OperatingPoint, events_section
from wsvad.evaluation.page import PageInput, page
from wsvad.features.config_text import config_fields
from wsvad.manifest.records import Box
from wsvad.metrics.event_definitions import EVENT_DEFINITIONS
from wsvad.metrics.event_options import EventOptions
from wsvad.metrics.metric import Resamples
from wsvad.metrics.options import MetricOptions
from wsvad.report import timelines
from wsvad.report.pictures import picture_uri
from wsvad.report.svg import clock, text, thin

HOSTILE = '<script>alert("1")</script>&\'"><img src=x onerror=alert(2)>'


class Balanced(HTMLParser):
    """Collect tags, attributes and text of a page, and elements that are not closed."""

    VOID = frozenset("meta br img input link hr".split())
    OPTIONAL = frozenset("th td tr".split())

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID | self.OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def draw(videos: list, pictures: dict | None = None, **more: object) -> str:
    """Return the page of these videos."""
    found = gathered(videos)
    document = {
        "title": "st_ltgs on demo",
        "created_utc": "2026-01-01",
        "split": "test",
        "warnings": [],
        "options": {"truth_mode": "true", "level": 0.95, "threshold": 0.5},
        "command": [],
        "features": config_fields({"backbone": "i3d-compact", "precision": "bf16"}),
        "inputs": {},
        "versions": {},
        "identity": "sha256:0",
        **compute_metrics(found, MetricOptions(resamples=100)),
        **more,
    }
    return page(PageInput(document, found.results, pictures or {}, {"geometry": "squash"}))


def parse(html: str) -> Balanced:
    """Parse a page strictly."""
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def plain() -> str:
    """Return a page of planted videos with a picture."""
    frame = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    return draw(planted(1.0, videos=6), {"v01": frame})


def test_the_page_is_well_formed_and_self_contained(plain: str) -> None:
    """Balanced elements, no scripts, no links, only data: URIs and fragments, and a content security policy."""
    seen = parse(plain)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(seen.tags)
    for name, value in seen.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "xlink:href"):
            assert (value or "").startswith("data:image/png;base64,")
    assert "default-src 'none'" in plain
    assert not re.search(r"url\(|@import|https?://", plain)


def test_the_page_shows_metrics_curves_strips_and_heat_maps(plain: str) -> None:
    """Every part exists, once for every video."""
    seen = parse(plain)
    words = " ".join(seen.words)
    for part in (
        "At a glance",
        "Curves",
        "By category",
        "Over time",
        "Spatial localisation",
        "Every video",
        "All metrics",
    ):
        assert part in words
    assert plain.count('class="strip"') == 6
    assert plain.count('class="heat"') == 6
    assert plain.count('class="truth"') == 3
    assert plain.count('class="cell') == 6 * 49
    assert plain.count('class="box"') == 3
    assert plain.count("data:image/png") == 1
    assert plain.count('class="hit"') == 3


def test_dark_mode_and_print_have_styles(plain: str) -> None:
    """In the style sheet of the page."""
    assert "@media (prefers-color-scheme: dark)" in plain
    assert "@media print" in plain


def test_adversarial_names_are_escaped() -> None:
    """An id, a category, a warning, a note and a title with markup are shown as text."""
    cuboids = np.full((2, 49), 0.5)
    videos = [
        (
            record(HOSTILE, [(0, 9)], [Box(0, 20, 0, 0, 9, 9)], label=1, category=HOSTILE + "\x1b[31m\u202e"),
            scores([0.5, 0.6], cuboids),
        ),
        (record("n", label=0), scores([0.4, 0.3], cuboids)),
    ]
    html = draw(videos, warnings=[HOSTILE], notes=[HOSTILE], title=HOSTILE, command=[HOSTILE], inputs={"x": HOSTILE})
    seen = parse(html)
    assert not {"script", "img"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert "".join(seen.words).count(HOSTILE) >= 7
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_event_section_escapes_names_and_is_optional(plain: str) -> None:
    """The section contains the operating point, metrics and excluded videos; reports of earlier versions have none."""
    videos = [(record(HOSTILE, label=1), scores([0.5, 0.6])), *planted(1.0, videos=4)]
    results, options = gathered(videos).results, EventOptions(event_high=0.5)
    point = OperatingPoint(options.settings(), "given", HOSTILE)
    resamples = Resamples.of(results, MetricOptions(resamples=100))
    html = draw(videos, events=events_section(results, resamples, options, point))
    seen = parse(html)
    assert not {"script", "img"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    words = "".join(seen.words)
    assert words.count(HOSTILE) >= 3
    assert all(f"{what.title}{name}" in words for name, what in EVENT_DEFINITIONS.items())
    assert html.count('class="curve a"') == plain.count('class="curve a"') + 1
    assert "<h2>Events</h2>" not in plain


def test_undefined_metrics_are_dashes_with_their_reason() -> None:
    """Most metrics are undefined for normal videos; the page is still valid."""
    html = draw([(record("n", label=0), scores([0.4, 0.3])), (record("m", label=0), scores([0.1]))])
    seen = parse(html)
    assert "nothing is anomalous: only one class" in " ".join(seen.words)
    assert "nan" not in " ".join(seen.words).casefold().split()


def test_the_size_of_the_page_is_bounded() -> None:
    """At most 36 strips and 24 heat maps; the table lists every video."""
    html = draw(planted(0.5, videos=60, clips=4))
    assert html.count('class="strip"') == 36
    assert html.count('class="heat"') == 24
    assert all(f"v{n:02d}</td>" in html for n in range(60))


def test_the_hardest_and_the_best_come_first() -> None:
    """By the AUC within the video; normal videos by their highest score."""
    videos = [
        (record("good", [(0, 16)], label=1), scores([0.9, 0.1])),
        (record("bad", [(0, 16)], label=1), scores([0.1, 0.9])),
        (record("calm", label=0), scores([0.1, 0.1])),
        (record("loud", label=0), scores([0.1, 0.8])),
    ]
    found = gathered(videos)
    rows = compute_metrics(found, MetricOptions(resamples=0))["per_video"]
    groups = timelines.choose(found.results, rows)
    assert [[rows[n]["video_id"] for n in members] for _, members in groups] == [["bad"], ["good"], ["loud", "calm"]]


def test_timelines_of_long_videos_keep_their_peaks() -> None:
    """5,000 clips on 600 pixels: a single high clip is still visible."""
    values = np.full(5000, 0.1)
    values[3217] = 1.0
    found = gathered([(record("long", label=0), scores(values))])
    rows = compute_metrics(found, MetricOptions(resamples=0))["per_video"]
    drawn = timelines.strip(found.results[0], rows[0], (0.0, 1.0), 0.5).svg
    path = re.search(r'class="score" d="([^"]*)"', drawn)
    assert path is not None
    heights = [float(pair.split(",")[1]) for pair in re.findall(r"[\d.]+,[\d.]+", path[1])]
    assert min(heights) == pytest.approx(2.0)
    assert len(heights) <= 1200


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        (0.0, 1.0, (0.0, 1.0)),
        (0.1, 0.4, (0.0, 1.0)),
        (0.40, 0.50, (0.39, 0.51)),
        (0.5, 0.5, (0.495, 0.505)),
        (0, 0, (0, 0.005)),
    ],
)
def test_scales(low: float, high: float, scale: tuple[float, float]) -> None:
    """A small range of scores is magnified, with the same scale for all strips."""
    assert timelines.common_scale(low, high) == pytest.approx(scale)


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (7.4, "0:07"), (750, "12:30"), (3723, "1:02:03")])
def test_clock(seconds: float, shown: str) -> None:
    """Minutes and seconds, and hours if not zero."""
    assert clock(seconds) == shown


def test_thinned_curves_keep_their_ends() -> None:
    """All points are on the curve."""
    x = np.linspace(0, 1, 10_000)
    kept = thin(x, x**2, 100)
    assert len(kept) <= 102
    assert (kept[0], kept[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert all(y == pytest.approx(a**2) for a, y in kept)


def test_text_is_escaped_for_elements_and_attributes() -> None:
    """Markup, quotes and control characters."""
    assert text("<a b='\"'>\x00\n") == "&lt;a b=&#x27;&quot;&#x27;&gt;\\x00\\n"


def test_pictures_are_lossless() -> None:
    """As PNG in a data URI; only 8-bit RGB is accepted."""
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    kind, _, data = picture_uri(picture).partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data, validate=True)), formats=["PNG"]) as opened:
        assert (opened.mode, opened.size) == ("RGB", (7, 5))
        assert (np.asarray(opened) == picture).all()
    for wrong in (picture.astype(float), picture[..., 0], picture[..., :2]):
        with pytest.raises(ValueError, match="expected uint8"):
            picture_uri(wrong)


def test_a_strided_picture_is_encoded_correctly() -> None:
    """Views with strides or reversed axes are supported."""
    picture = np.random.default_rng(2).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    view = picture[::-2, 1::2]
    assert picture_uri(view) == picture_uri(np.ascontiguousarray(view))
