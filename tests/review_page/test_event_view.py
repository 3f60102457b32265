"""The view of an event: clip at its start, heat map in sync with the frames, and the view without a clip."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.review_page import synthetic
from tests.review_page.conftest import Watched
from tests.review_page.fake_server import serving

READ = """() => {
  const video = document.querySelector("video");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(video, 0, 0);
  let code = 0;
  for (let bit = 0; bit < 8; bit++) code |= (pen.getImageData(bit * 20 + 10, 16, 1, 1).data[0] > 128 ? 1 : 0) << bit;
  const heat = document.querySelector("canvas.heat");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(heat, 0, 0);
  const grey = pen.getImageData(3, 3, 1, 1).data;
  return { code, grey: grey[3] ? grey[0] : null, time: Number(document.querySelector(".screen").dataset.time),
           boxes: Number(document.querySelector("canvas.boxes").dataset.shown) };
}"""
"""Number of the displayed frame, decoded from its picture, and the grey value of the heat map over it."""


def wait_for_frame(page: Page, code: int) -> dict[str, float]:
    """Wait until the frame with this number is displayed and its overlay is drawn."""
    page.wait_for_function(f"() => {{ const seen = ({READ})(); return seen.code === {code} && seen.time >= 0; }}")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate(READ)


def test_video_starts_at_the_event_and_heat_follows_frames(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Variable frame rate: every frame has the heat of its clip, and the box only during the event."""
    times = synthetic.variable_times(20.0)
    event = synthetic.event(1, start_s=times[9], end_s=times[30], peak_s=times[15])
    document = synthetic.document([synthetic.with_media(tmp_path, event, times)])
    with serving(tmp_path, document) as server:
        one = watched()
        page = one.open(server.address, fragment="#event=event-00001&view=event")
        first = wait_for_frame(page, 9)
        assert first["time"] == pytest.approx(times[9], abs=0.0015)
        for code in range(9, len(times)):
            seen = wait_for_frame(page, code)
            assert seen["time"] == pytest.approx(times[code], abs=0.0015)
            assert seen["grey"] == synthetic.heat_grey(code // 4), f"frame {code}"
            assert seen["boxes"] == (1 if code < 30 else 0), f"frame {code}"
            page.keyboard.press(".")
        for code in (38, 37, 36, 35):
            page.keyboard.press(",")
            assert wait_for_frame(page, code)["grey"] == synthetic.heat_grey(code // 4)
        page.keyboard.press("s")
        assert wait_for_frame(page, 9)["grey"] == synthetic.heat_grey(2)


def test_frames_shorter_than_the_default_duration(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Chromium assumes at least 33 ms per frame of this WebM; these last 10 to 12 ms."""
    times = synthetic.variable_times(20.0, 16, (0.01, 0.012))
    event = synthetic.event(1, start_s=times[2], end_s=times[-1], peak_s=times[5])
    with serving(tmp_path, synthetic.document([synthetic.with_media(tmp_path, event, times)])) as server:
        page = watched().open(server.address, fragment="#event=event-00001&view=event")
        for code in range(2, 14):
            assert wait_for_frame(page, code)["grey"] == synthetic.heat_grey(code // 4)
            page.keyboard.press(".")


def test_stepping_without_frame_times(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """The clip stands at the start, and a step reaches another frame, even with unexpected durations."""
    times = synthetic.variable_times(20.0, 16, (0.04, 0.18))
    event = synthetic.with_media(
        tmp_path, synthetic.event(1, start_s=times[4], end_s=times[-1], peak_s=times[5]), times
    )
    event["clip"]["times_s"] = None
    with serving(tmp_path, synthetic.document([event])) as server:
        page = watched().open(server.address, fragment="#event=event-00001&view=event")
        assert wait_for_frame(page, 4)["grey"] == synthetic.heat_grey(1)
        for _ in range(20):
            page.keyboard.press(".")
            page.wait_for_timeout(30)
            if page.evaluate(READ)["code"] > 6:
                break
        page.wait_for_function(f"() => ({READ})().code > 6")
        seen = page.evaluate(READ)
        assert seen["time"] == pytest.approx(times[seen["code"]], abs=0.0015)


def test_heat_follows_playback(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """The heat of each presented frame is drawn before the next frame."""
    times = synthetic.variable_times(20.0)
    event = synthetic.event(1, start_s=times[0], end_s=times[-1], peak_s=times[3])
    with serving(tmp_path, synthetic.document([synthetic.with_media(tmp_path, event, times)])) as server:
        page = watched().open(server.address, fragment="#event=event-00001&view=event")
        wait_for_frame(page, 0)
        seen = page.evaluate(
            f"""() => new Promise((done) => {{
              const seen = [], video = document.querySelector("video");
              const look = (now, frame) => {{
                seen.push([frame.mediaTime, ({READ})().grey]);
                video.requestVideoFrameCallback(look);
              }};
              video.requestVideoFrameCallback(look);
              video.addEventListener("ended", () => setTimeout(() => done(seen), 200));
              Review.player.toggle();
            }})"""
        )
    assert len(seen) > 8
    for media, grey in seen:
        code = min(range(len(times)), key=lambda at: abs(times[at] - times[0] - media))
        assert times[code] - times[0] == pytest.approx(media, abs=0.0015)
        assert grey == synthetic.heat_grey(code // 4), media


def test_click_on_the_curve_seeks_and_drag_marks(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Opened from disk without a server."""
    times = synthetic.variable_times(20.0)
    event = synthetic.event(1, start_s=times[9], end_s=times[30], peak_s=times[15], truth=[[times[5], times[20]]])
    event["gaps"] = [[2.0, 5.0, "damaged"]]
    address = synthetic.write(tmp_path, synthetic.document([synthetic.with_media(tmp_path, event, times)]))
    page = watched().open(address, fragment="#event=event-00001&view=event")
    page.wait_for_function("() => document.querySelector('.screen').dataset.time")
    box = page.locator(".u-over").bounding_box()
    assert box
    last = event["curve"]["t"][-1]

    def x(seconds: float) -> float:
        return box["x"] + box["width"] * seconds / last

    page.mouse.click(x(times[20]) + 0.5, box["y"] + 60)
    page.wait_for_function(
        f"() => Math.abs(Number(document.querySelector('.screen').dataset.time) - {times[20]}) < 0.25"
    )
    page.mouse.move(x(5), box["y"] + 60)
    page.mouse.down()
    page.mouse.move(x(8), box["y"] + 62, steps=4)
    page.mouse.up()
    assert page.evaluate("Review.ui.mark.from") == pytest.approx(5, abs=0.2)
    assert page.evaluate("Review.ui.mark.to") == pytest.approx(8, abs=0.2)
    expect(page.locator(".curve figcaption")).to_contain_text("not scored")
    expect(page.locator(".curve figcaption")).to_contain_text("annotated anomaly")
    page.keyboard.press("4")
    records = page.evaluate("Review.records()")
    assert [one["verdict"] for one in records] == ["missed"]
    assert records[0]["event_id"] is None
    assert records[0]["content_id"] == event["content_id"]
    assert records[0]["start_s"] == pytest.approx(5, abs=0.2)
    page.keyboard.press("u")
    assert page.evaluate("Review.missedIn(Review.current()).length") == 0


def test_unscored_spans_are_gaps_in_the_curve(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """The plot has no value where times have a gap, and the summary counts the gaps."""
    event = synthetic.event(1, gaps=[[10.0, 20.0, "no video"]])
    kept = [at for at, t in enumerate(event["curve"]["t"]) if not 10 <= t <= 20]
    event["curve"] = {name: [values[at] for at in kept] for name, values in event["curve"].items()}
    page = watched().open(
        synthetic.write(tmp_path, synthetic.document([event])), fragment="#event=event-00001&view=event"
    )
    expect(page.locator(".plot")).to_have_attribute("aria-label", re.compile("1 unscored span"))
    assert page.locator(".key.gap").count() == 1


def test_film_strip_and_reason_without_a_clip(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Also if the clip exists and cannot be played."""
    times = synthetic.variable_times(20.0)
    made = [
        synthetic.with_media(tmp_path, synthetic.event(n, start_s=times[9], end_s=times[30]), times) for n in range(2)
    ]
    made[0]["clip"] = None
    (tmp_path / "media" / made[1]["id"] / "clip.webm").write_bytes(b"not a video")
    made.append(synthetic.event(2, media_error="the video was removed by retention"))
    address = synthetic.write(tmp_path, synthetic.document(made))
    one = watched()
    page = one.open(address, fragment="#event=event-00000&view=event")
    screen = page.locator(".screen")
    expect(screen).to_have_attribute("data-kind", "strip")
    expect(screen).to_have_attribute("data-time", f"{times[8]:.4f}")  # the strip picture at frame 9
    assert page.locator("canvas.heat").get_attribute("data-clip") == "2"
    page.keyboard.press(".")
    expect(screen).to_have_attribute("data-time", f"{times[12]:.4f}")
    page.keyboard.press(" ")
    expect(screen).to_have_attribute("data-time", f"{times[36]:.4f}")
    page.evaluate("Review.openEvent('event-00001')")
    expect(screen).to_have_attribute("data-kind", "strip")
    expect(page.locator(".corner")).to_contain_text("cannot play the clip")
    page.evaluate("Review.openEvent('event-00002')")
    expect(screen).to_contain_text("removed by retention")
    assert page.locator("#play").is_disabled()


def test_previews_respect_reduced_motion(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Otherwise they play once and stop within five seconds."""
    times = synthetic.variable_times(20.0)
    address = synthetic.write(tmp_path, synthetic.document([synthetic.with_media(tmp_path, synthetic.event(1), times)]))
    for motion, moves in (("reduce", False), ("no-preference", True)):
        page = watched(reduced_motion=motion).open(address)
        page.hover(".card .poster")
        place = page.locator(".poster .strip")
        first = place.evaluate("(e) => e.style.backgroundPosition")
        page.wait_for_timeout(400)
        assert (place.evaluate("(e) => e.style.backgroundPosition") != first) == moves


def test_controls_are_blind_until_the_verdict(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Control spans are not recognisable by score, curve, box or order."""
    times = synthetic.variable_times(20.0)
    made = [synthetic.with_media(tmp_path, synthetic.event(n), times) for n in range(6)]
    made[4] |= {"kind": "control", "score": 0.2, "excess": -0.3}
    for event in made:
        event |= {"truth": [[5.0, 9.0]], "continues": True, "group": made[0]["id"]}
    page = watched().open(synthetic.write(tmp_path, synthetic.document(made)))
    expect(page.locator(".bar-row.hush")).to_have_count(6)
    assert page.locator(".poster .boxes").count() == 0
    assert page.locator("#sort option").all_text_contents() == ["By time", "By camera", "Mixed order"]
    assert page.locator("#sort").input_value() == "mixed"
    assert page.locator("input.bound").first.is_disabled()
    page.evaluate("Review.openEvent('event-00004')")
    expect(page.locator(".veil")).to_contain_text("after the verdict")
    assert page.locator(".key.truth, .key.threshold, .badge, .fold").count() == 0
    assert page.locator("canvas.heat").get_attribute("data-clip") == "-1"
    assert "0.20" not in page.locator("#detail").inner_text()
    page.evaluate("Review.keep('advance', false)")
    page.keyboard.press("2")
    expect(page.locator(".side .facts")).to_contain_text("a control span below the threshold")
    expect(page.locator(".veil")).to_have_count(0)
    expect(page.locator(".key.truth")).to_have_count(1)
    assert page.evaluate("Review.records()[0].kind") == "control"
