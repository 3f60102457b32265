"""Pixelation of faces and people in every picture, including those where detection fails, and its notices."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.extraction.harness import run_here
from tests.nightly.reader import digests
from tests.review.conftest import document
from tests.review.live_server import Browser, serving
from tests.review.test_pictures import make
from wsvad.errors import UsageError, VideoError
from wsvad.review.config import MediaOptions, ReviewOptions, ServeOptions, SourceOptions
from wsvad.review.detection import BlockMask, Box, RegionDetector, block_size, blocks_of_boxes
from wsvad.review.pictures import Pictures
from wsvad.review.pixelation import Frame, Pixelator, pixelated

DATA = Path(__file__).resolve().parents[1] / "data"
PLAIN = MediaOptions(clip_margin_s=0.5)
WIDTH, HEIGHT = 256, 128
FACE = slice(38, 78), slice(64, 98)  # rows and columns from chin to hair, where the portrait is put
ASIDE = slice(16, 112), slice(176, 240)


def scene(number: int = 0, *, face: bool = True, moving: bool = False) -> np.ndarray:
    """Return a coarse pattern with a portrait on the left and a square that moves through the middle."""
    rng = np.random.default_rng(5)
    carpet = rng.integers(60, 190, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
    image = carpet.repeat(4, axis=0).repeat(4, axis=1)
    if face:
        with Image.open(DATA / "face.jpg") as portrait:
            image[16:112, 32:128] = np.asarray(portrait)
    if moving:
        square = rng.integers(0, 255, (32, 16, 3), dtype=np.uint8)
        image[48:80, 40 + 6 * number : 56 + 6 * number] = square
    return image


def film(path: Path, images: list[np.ndarray]) -> Path:
    """Write pictures as a video with 10 frames per second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "12", "preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def detail(image: np.ndarray, part: tuple[slice, slice]) -> float:
    """Return the mean difference of neighbouring pixels in a part of a picture, in grey levels."""
    return float(np.abs(np.diff(image[part].astype(float).mean(axis=2), axis=1)).mean())


def all_pictures(made: Pictures) -> dict[str, list[np.ndarray]]:
    """Return every picture that a reviewer sees."""
    with av.open(io.BytesIO(made.files[made.facts["clip"]["src"]])) as container:
        clip = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with Image.open(io.BytesIO(made.files["poster.jpg"])) as opened:
        poster = np.asarray(opened)
    strip, places = made.facts["strip"], []
    with Image.open(io.BytesIO(made.files["strip.jpg"])) as sheet:
        for place in range(len(strip["times_s"])):
            x, y = place % strip["columns"] * strip["width"], place // strip["columns"] * strip["height"]
            picture = sheet.crop((x, y, x + strip["width"], y + strip["height"])).resize((WIDTH, HEIGHT))
            places.append(np.asarray(picture))
    return {"clip": clip, "poster": [poster], "strip": places}


def test_face_is_hidden_in_clip_strip_and_poster(tmp_path: Path) -> None:
    """Its detail is removed and it is not detected any more; the background is unchanged."""
    path = film(tmp_path / "v.mp4", [scene()] * 20)
    plain = all_pictures(make(path, (0.6, 1.2), PLAIN))
    made = make(path, (0.6, 1.2), replace(PLAIN, pixelate="faces"))
    hidden = all_pictures(made)
    assert {kind: len(pictures) for kind, pictures in hidden.items()} == {k: len(p) for k, p in plain.items()}
    for kind, pictures in hidden.items():
        for image, as_it_was in zip(pictures, plain[kind], strict=True):
            assert detail(image, FACE) < 0.45 * detail(as_it_was, FACE), kind
            assert detail(image, ASIDE) > 0.9 * detail(as_it_was, ASIDE), kind
    covers = [RegionDetector("faces").find(shots["poster"][0]) for shots in (plain, hidden)]
    assert [any(part.any() for part in cover.values()) for cover in covers] == [True, False]
    assert make(path, (0.6, 1.2), replace(PLAIN, pixelate="faces")).files == made.files


def test_moving_objects_are_hidden_too(tmp_path: Path) -> None:
    """Even objects that no detector recognises; where nothing moves the picture is unchanged."""
    path = film(tmp_path / "v.mp4", [scene(n, face=False, moving=True) for n in range(20)])
    plain, hidden = (
        all_pictures(make(path, (0.6, 1.2), replace(PLAIN, pixelate=mode)))["clip"] for mode in (None, "people")
    )
    for number, (image, as_it_was) in enumerate(zip(hidden, plain, strict=True), 1):
        walker = slice(48, 80), slice(40 + 6 * number, 56 + 6 * number)
        assert detail(image, walker) < 0.5 * detail(as_it_was, walker), number
        assert detail(image, ASIDE) > 0.9 * detail(as_it_was, ASIDE), number


class Glimpse:
    """Detects something on the left in only one of its calls."""

    def __init__(self, when: int) -> None:
        self.searches = 0
        self._when = when

    def find(self, picture_HWC: np.ndarray) -> BlockMask:
        self.searches += 1
        there = int(picture_HWC[0, -1, 0]) == self._when
        return blocks_of_boxes([Box(0, 0, 16, 16, 8)], picture_HWC.shape[1], picture_HWC.shape[0]) if there else {}


@pytest.mark.parametrize(
    ("fps", "when", "first", "last"), [(10, 20, 15, 25), (25, 51, 39, 63), (1, 20, 18, 22), (240, 48, 17, 79)]
)
def test_detection_applies_before_and_after(fps: int, when: int, first: int, last: int) -> None:
    """For half a second, at least two pictures, at most the stored ones; pictures stay complete and in order."""
    glimpse = Glimpse(when)
    pixelator, given = Pixelator(glimpse), []
    images = np.random.default_rng(0).integers(0, 255, (100, 24, 24, 3), dtype=np.uint8)
    images[:, 0, -1, 0] = np.arange(100)
    for number, image in enumerate(images):
        given += pixelator.add(Frame(image, float(Fraction(number, fps)), float(Fraction(number + 1, fps))))
    assert len(given) < 100
    given += pixelator.flush()
    assert [float(shot.start_s) for shot in given] == [number / fps for number in range(100)]
    changed = [n for n, shot in enumerate(given) if (shot.picture_HWC != images[n]).any()]
    assert (changed[0], changed[-1], len(changed)) == (first, last, last - first + 1)
    assert all((shot.picture_HWC[:, 16:] == images[n][:, 16:]).all() for n, shot in enumerate(given))
    assert glimpse.searches == {10: 100, 25: 34, 1: 100, 240: 5}[fps]


@pytest.mark.parametrize("side", [5, 30, 65, 100, 400])
def test_block_size(side: int) -> None:
    """At least 8 pixels and an eighth of the hidden box; one colour per block; the largest block wins."""
    assert block_size(side) >= max(8, side / 8)
    image = np.random.default_rng(1).integers(0, 255, (90, 70, 3), dtype=np.uint8)
    boxes = [Box(3, 3, 20, 20, 8), Box(20, 20, 60, 80, 16), Box(-50, 60, 900, 900, 8)]
    made = pixelated(image, blocks_of_boxes(boxes, 70, 90))
    assert (made[:56, 64:] == image[:56, 64:]).all()
    assert (made[:16, 24:] == image[:16, 24:]).all()
    assert len(np.unique(made[16:32, 16:32].reshape(-1, 3), axis=0)) == 1
    assert (made[0, 0] == np.rint(image[:8, :8].mean(axis=(0, 1)))).all()
    assert len(np.unique(made[80:88, 64:].reshape(-1, 3), axis=0)) == 1


def test_failed_detection_hides_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector error counts against the video, and the clip ends before it."""
    with pytest.raises(VideoError, match="detection for pixelation failed"):
        RegionDetector("faces").find(np.zeros((0, 40, 3), np.uint8))
    path, looks = film(tmp_path / "v.mp4", [scene()] * 20), iter([{}, {}, {}])

    def fails(self: RegionDetector, picture_HWC: np.ndarray) -> BlockMask:
        found = next(looks, None)
        if found is None:
            raise VideoError("not_pixelated", "detection for pixelation failed")
        return found

    monkeypatch.setattr(RegionDetector, "find", fails)
    made = make(path, (0.6, 1.2), replace(PLAIN, pixelate="faces"))
    assert len(all_pictures(made)["clip"]) == 3
    assert made.facts["notes"] == ["the clip ends early: detection for pixelation failed"]
    with pytest.raises(VideoError, match="detection for pixelation failed"):
        make(path, (0.6, 1.2), replace(PLAIN, pixelate="faces"))


def test_missing_opencv(review, root, capsys, tmp_path, monkeypatch, caplog):
    """Neither page, case nor server works; the message says what to install. Other pages do not need it."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    before = digests(tmp_path / "root")
    for mode in ("faces", "people"):
        assert review("--pixelate", mode)[0] == 2
        assert "pip install 'wsvad[pixelate]'" in caplog.text
        case = ("--zip", str(tmp_path / "case.zip"), "--case", "x")
        assert run_here(capsys, "review", "--root", root, *case, "--pixelate", mode, "--json")[0] == 2
        assert run_here(capsys, "review", "--root", root, "--serve", "--pixelate", mode, "--json")[0] == 2
    assert not (tmp_path / "page").exists()
    assert not (tmp_path / "case.zip").exists()
    assert digests(tmp_path / "root") == before
    assert review("--no-media", "--pixelate", "faces")[0] == 0
    assert document(tmp_path / "page")["privacy"] == {"pixelated": None, "text": None}
    assert review()[0] == 0


def test_missing_face_detector(review, tmp_path, monkeypatch, caplog):
    """Container images and uploads of jobs do not contain it."""
    monkeypatch.setattr("wsvad.review.detection.MODEL", tmp_path / "centerface.onnx")
    assert review("--pixelate", "faces")[0] == 2
    assert "centerface.onnx is missing" in caplog.text
    assert not (tmp_path / "page").exists()


def test_pixelated_pages_and_cases(review, root, capsys, tmp_path):
    """Picture names differ; a second run writes nothing; a case has the pixelated pictures and the notice."""
    page = tmp_path / "page"
    names = {}
    for mode in (None, "people", "faces"):
        words = ["--pixelate", mode] if mode else []
        code, summary = review(*words)
        assert (code, summary["pictures_now"], summary["pixelated"]) == (0, 3, mode)
        page_document = document(page)
        assert page_document["privacy"]["pixelated"] == mode
        assert ("best effort" in (page_document["privacy"]["text"] or "")) == bool(mode)
        names[mode] = {event["clip"]["src"] for event in page_document["events"]}
        there = {f"media/{path.parent.name}" for path in (page / "media").glob("*/*")}
        assert there == {name.rpartition("/")[0] for name in names[mode]}
        assert review(*words)[1]["written"] == 0
    assert len(set.union(*names.values())) == 9
    event = document(page)["events"][0]
    words = ["review", "--root", root, "--case", event["id"], "--zip", str(tmp_path / "c.zip"), "--out", str(page)]
    code, summary = run_here(capsys, *words, "--pixelate", "faces", "--json")
    assert (code, summary["pixelated"]) == (0, "faces")
    with zipfile.ZipFile(tmp_path / "c.zip") as packed:
        assert {f"case/{event['clip']['src']}"} == {name for name in packed.namelist() if "/clip." in name}
        assert json.loads(packed.read("case/case.json"))["privacy"]["pixelated"] == "faces"
        packed.extract("case/index.html", tmp_path)
    assert document(tmp_path / "case")["privacy"]["pixelated"] == "faces"


def test_server_only_serves_pixelated_pictures(root: str) -> None:
    """Unpixelated pictures of another server below the same root have no links."""
    names: dict[str | None, str] = {}
    for mode in (None, "faces"):
        with serving(root, media=MediaOptions(pixelate=mode)) as (port, desk):
            ann = Browser(port, "ann")
            page_document = ann.get("/api/review").json
            assert page_document["privacy"]["pixelated"] == mode
            made = ann.post("/api/clip", {"event_id": page_document["events"][0]["id"]})
            assert made.status == 200
            assert ann.get("/" + made.json["poster"]).status == 200
            names[mode] = made.json["poster"].split("/")[1]
            for other, name in names.items():
                assert (Path(root) / "review" / "media" / name / "poster.jpg").is_file()
                if other != mode:
                    with pytest.raises(UsageError, match="unknown picture"):
                        desk.file(name, "poster.jpg")
    assert len(set(names.values())) == 2


def test_server_requires_detector_before_binding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is bound or read."""
    from wsvad.review import server

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr(server, "ReviewService", never)
    asked = ReviewOptions(SourceOptions(root=str(tmp_path)), media=MediaOptions(pixelate="faces"))
    with pytest.raises(UsageError, match="pixelate"):
        server.serve(asked, ServeOptions(port=0))
