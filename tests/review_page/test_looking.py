"""What a reviewer sees of one event: the clip at its start, heat with the frame, and what is there without a clip."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.review_page import making
from tests.review_page.conftest import Watched
from tests.review_page.serving import serving

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
"""Number of the frame on the screen, by its picture; and the grey of the heat drawn over it."""


def stands(page: Page, code: int) -> dict[str, float]:
    """Wait until the frame with this number is on the screen, and what lies over it is painted."""
    page.wait_for_function(f"() => {{ const seen = ({READ})(); return seen.code === {code} && seen.time >= 0; }}")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate(READ)


def test_the_video_stands_at_the_start_and_heat_keeps_to_each_frame(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    """On a clip of variable rate: every frame has the heat of its own clip, box only during the event."""
    times = making.variable_times(20.0)
    event = making.event(1, start_s=times[9], end_s=times[30], peak_s=times[15])
    document = making.document([making.with_media(tmp_path, event, times)])
    with serving(tmp_path, document) as server:
        one = watched()
        page = one.open(server.address, fragment="#event=event-00001&view=event")
        first = stands(page, 9)
        assert first["time"] == pytest.approx(times[9], abs=0.0015)
        for code in range(9, len(times)):
            seen = stands(page, code)
            assert seen["time"] == pytest.approx(times[code], abs=0.0015)
            assert seen["grey"] == making.heat_grey(code // 4), f"frame {code}"
            assert seen["boxes"] == (1 if code < 30 else 0), f"frame {code}"
            page.keyboard.press(".")
        for code in (38, 37, 36, 35):
            page.keyboard.press(",")
            assert stands(page, code)["grey"] == making.heat_grey(code // 4)
        page.keyboard.press("s")
        assert stands(page, 9)["grey"] == making.heat_grey(2)


def test_frames_shorter_than_the_container_says_are_reached(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Chromium takes each frame of a WebM to last at least its default duration, 33 ms here; these last 10 to 12."""
    times = making.variable_times(20.0, 16, (0.01, 0.012))
    event = making.event(1, start_s=times[2], end_s=times[-1], peak_s=times[5])
    with serving(tmp_path, making.document([making.with_media(tmp_path, event, times)])) as server:
        page = watched().open(server.address, fragment="#event=event-00001&view=event")
        for code in range(2, 14):
            assert stands(page, code)["grey"] == making.heat_grey(code // 4)
            page.keyboard.press(".")


def test_a_clip_that_does_not_say_its_frame_times_is_stepped_too(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    """It stands at the start, and a step ends at another frame, also where one lasts longer than expected."""
    times = making.variable_times(20.0, 16, (0.04, 0.18))
    event = making.with_media(tmp_path, making.event(1, start_s=times[4], end_s=times[-1], peak_s=times[5]), times)
    event["clip"]["times_s"] = None
    with serving(tmp_path, making.document([event])) as server:
        page = watched().open(server.address, fragment="#event=event-00001&view=event")
        assert stands(page, 4)["grey"] == making.heat_grey(1)
        for _ in range(20):
            page.keyboard.press(".")
            page.wait_for_timeout(30)
            if page.evaluate(READ)["code"] > 6:
                break
        page.wait_for_function(f"() => ({READ})().code > 6")
        seen = page.evaluate(READ)
        assert seen["time"] == pytest.approx(times[seen["code"]], abs=0.0015)


def test_heat_follows_while_the_clip_plays(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """For each frame that the browser says it presents, the heat of that frame is drawn before the next one is."""
    times = making.variable_times(20.0)
    event = making.event(1, start_s=times[0], end_s=times[-1], peak_s=times[3])
    with serving(tmp_path, making.document([making.with_media(tmp_path, event, times)])) as server:
        page = watched().open(server.address, fragment="#event=event-00001&view=event")
        stands(page, 0)
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
        assert grey == making.heat_grey(code // 4), media


def test_a_click_on_the_curve_seeks_and_a_drag_marks(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """From a disk, without any server."""
    times = making.variable_times(20.0)
    event = making.event(1, start_s=times[9], end_s=times[30], peak_s=times[15], truth=[[times[5], times[20]]])
    event["gaps"] = [[2.0, 5.0, "damaged"]]
    address = making.write(tmp_path, making.document([making.with_media(tmp_path, event, times)]))
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
    expect(page.locator(".curve figcaption")).to_contain_text("truth")
    page.keyboard.press("4")
    records = page.evaluate("Review.records()")
    assert [one["verdict"] for one in records] == ["missed"]
    assert records[0]["event_id"] is None
    assert records[0]["content_id"] == event["content_id"]
    assert records[0]["start_s"] == pytest.approx(5, abs=0.2)
    page.keyboard.press("u")
    assert page.evaluate("Review.missedIn(Review.current()).length") == 0


def test_scores_that_nobody_computed_are_a_hole_in_the_line(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Where the times have a gap, the plot has no value, and the summary says how many gaps there are."""
    event = making.event(1, gaps=[[10.0, 20.0, "no video"]])
    kept = [at for at, t in enumerate(event["curve"]["t"]) if not 10 <= t <= 20]
    event["curve"] = {name: [values[at] for at in kept] for name, values in event["curve"].items()}
    page = watched().open(making.write(tmp_path, making.document([event])), fragment="#event=event-00001&view=event")
    expect(page.locator(".plot")).to_have_attribute("aria-label", re.compile("1 stretch not scored"))
    assert page.locator(".key.gap").count() == 1


def test_without_a_clip_the_film_strip_plays_and_without_both_the_reason_stands_there(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    """Also where the clip is there and cannot be played."""
    times = making.variable_times(20.0)
    made = [making.with_media(tmp_path, making.event(n, start_s=times[9], end_s=times[30]), times) for n in range(2)]
    made[0]["clip"] = None
    (tmp_path / "media" / made[1]["id"] / "clip.webm").write_bytes(b"not a video")
    made.append(making.event(2, media_error="the video was removed by retention"))
    address = making.write(tmp_path, making.document(made))
    one = watched()
    page = one.open(address, fragment="#event=event-00000&view=event")
    screen = page.locator(".screen")
    expect(screen).to_have_attribute("data-kind", "strip")
    expect(screen).to_have_attribute("data-time", f"{times[8]:.4f}")  # the picture that stands at frame 9
    assert page.locator("canvas.heat").get_attribute("data-clip") == "2"
    page.keyboard.press(".")
    expect(screen).to_have_attribute("data-time", f"{times[12]:.4f}")
    page.keyboard.press(" ")
    expect(screen).to_have_attribute("data-time", f"{times[36]:.4f}")
    page.evaluate("Review.openEvent('event-00001')")
    expect(screen).to_have_attribute("data-kind", "strip")
    expect(page.locator(".corner")).to_contain_text("cannot be played here")
    page.evaluate("Review.openEvent('event-00002')")
    expect(screen).to_contain_text("removed by retention")
    assert page.locator("#play").is_disabled()


def test_previews_stand_still_where_motion_is_reduced(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Else they run through once and stop within five seconds."""
    times = making.variable_times(20.0)
    address = making.write(tmp_path, making.document([making.with_media(tmp_path, making.event(1), times)]))
    for motion, moves in (("reduce", False), ("no-preference", True)):
        page = watched(reduced_motion=motion).open(address)
        page.hover(".card .poster")
        place = page.locator(".poster .strip")
        first = place.evaluate("(e) => e.style.backgroundPosition")
        page.wait_for_timeout(400)
        assert (place.evaluate("(e) => e.style.backgroundPosition") != first) == moves


def test_controls_are_blind_until_the_verdict(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """With samples from below the threshold among them, no score, curve, box or order gives an answer away."""
    times = making.variable_times(20.0)
    made = [making.with_media(tmp_path, making.event(n), times) for n in range(6)]
    made[4] |= {"kind": "control", "score": 0.2, "excess": -0.3}
    for event in made:
        event |= {"truth": [[5.0, 9.0]], "continues": True, "group": made[0]["id"]}
    page = watched().open(making.write(tmp_path, making.document(made)))
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
    expect(page.locator(".side .facts")).to_contain_text("a control from below the threshold")
    expect(page.locator(".veil")).to_have_count(0)
    expect(page.locator(".key.truth")).to_have_count(1)
    assert page.evaluate("Review.records()[0].kind") == "control"
