"""Drawing, compared with naive loops and checked by its pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wsvad.demo.draw import lettering, stamp, stroke, value_noise
from wsvad.demo.figures import Pose, draw_figure, figure_box, random_look
from wsvad.demo.scenes import SCENES, Scene, paint
from wsvad.demo.story import Kind, make_story


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((4.0, 5.0), (14.0, 9.5)),
        ((10.0, 10.0), (10.0, 10.0)),
        ((-3.0, 6.0), (25.0, 30.0)),
        ((40.0, 40.0), (50.0, 42.0)),
    ],
    ids=["inside", "a dot", "across the border", "outside"],
)
def test_a_stroke_covers_the_pixels_within_its_radius(a: tuple[float, float], b: tuple[float, float]) -> None:
    """Each pixel's coverage follows from its distance to the segment, as computed by a loop over all pixels."""
    radius, size = 2.4, 20
    canvas = np.zeros((size, size, 3), np.float32)
    stroke(canvas, a, b, radius, (200.0, 200.0, 200.0))
    for y in range(size):
        for x in range(size):
            length2 = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2
            t = 0.0 if not length2 else ((x - a[0]) * (b[0] - a[0]) + (y - a[1]) * (b[1] - a[1])) / length2
            t = min(max(t, 0.0), 1.0)
            distance = math.hypot(x - a[0] - t * (b[0] - a[0]), y - a[1] - t * (b[1] - a[1]))
            cover = min(max(radius + 0.5 - distance, 0.0), 1.0)
            # the light makes the colour vary by a third at most; the coverage is what decides
            assert 0.65 * 200 * cover - 1e-3 <= canvas[y, x, 0] <= 1.35 * 200 * cover + 1e-3, (x, y)


@pytest.mark.parametrize("heading", [0.0, math.pi / 2, math.pi, -math.pi / 2, 0.7], ids=lambda h: f"{h:.1f}")
@pytest.mark.parametrize("fall", [0.0, 1.0])
def test_the_box_of_a_figure_matches_its_pixels(heading: float, fall: float) -> None:
    """On every side the outermost drawn pixel and the border of the box are at most two pixels apart."""
    scene = SCENES[0]
    look, pose = random_look(np.random.default_rng(3)), Pose(0.4, 6.0, heading, 0.8, 0.45, fall=fall)
    canvas = np.zeros((scene.height, scene.width, 3), np.float32)  # the shadow darkens, so on black it is unseen
    draw_figure(canvas, scene, look, pose)
    rows, columns = np.nonzero(canvas.sum(axis=2) > 1.0)
    drawn = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    box = figure_box(scene, look, pose)
    assert box is not None
    assert np.abs(np.subtract(drawn, box)).max() <= 2, (drawn, box)


@pytest.mark.parametrize(
    ("x", "z"), [(0.0, 1.0), (0.0, 60.0), (30.0, 8.0)], ids=["behind the lens", "behind the wall", "far aside"]
)
def test_people_outside_the_picture_are_not_drawn(x: float, z: float) -> None:
    """The canvas is unchanged, and there is no box."""
    scene = SCENES[0]
    canvas = np.full((scene.height, scene.width, 3), 90.0, np.float32)
    look = random_look(np.random.default_rng(0))
    draw_figure(canvas, scene, look, Pose(x, z, 0.0))
    assert np.all(canvas == 90.0)
    assert figure_box(scene, look, Pose(x, z, 0.0)) is None


def test_value_noise_interpolates_its_table() -> None:
    """At integers it equals the tiled table; between them it stays within the table's range."""
    rng = np.random.default_rng(0)
    table = rng.random((8, 8), dtype=np.float32)
    u, v = np.meshgrid(np.arange(-8, 8, dtype=np.float32), np.arange(0, 16, dtype=np.float32), indexing="ij")
    np.testing.assert_array_equal(value_noise(table, u, v), np.tile(table, (2, 2)))
    between = value_noise(table, *(rng.random((2, 1000), dtype=np.float32) * 50 - 25))
    assert table.min() <= between.min()
    assert between.max() <= table.max()


def test_lettering_is_read_back_from_the_canvas() -> None:
    """The digits on the canvas are those of the usual 3 x 5 raster, clipped to the canvas."""
    canvas = np.full((20, 30, 3), 100.0, np.float32)
    stamp(canvas, (2, 3), lettering("17", zoom=1), (255.0, 255.0, 255.0))
    bright = canvas[4:9, 3:10, 0] > 200
    assert ["".join(".#"[bit] for bit in row) for row in bright.astype(int)] == [
        ".#..###",
        "##....#",
        ".#....#",
        ".#...#.",
        "###..#.",
    ]
    stamp(canvas, (26, 18), lettering("17", zoom=2), (255.0, 255.0, 255.0))


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_every_scene_has_texture_and_full_range(scene: Scene) -> None:
    """No flat, black or overexposed picture; values stay in 0..255."""
    canvas = paint(scene, np.random.default_rng(0))
    assert canvas.shape == (scene.height, scene.width, 3)
    assert canvas.dtype == np.float32
    assert canvas.min() >= 0
    assert canvas.max() <= 255
    assert 60 < canvas.mean() < 210
    assert canvas.std() > 15


@pytest.mark.parametrize("kind", ["normal", "fight", "chase"])
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_nobody_moves_faster_than_a_sprinter(scene: Scene, kind: Kind) -> None:
    """From frame to frame nobody moves faster than 11 m/s, even between parts of the story."""
    for seed in range(3):
        story = make_story(scene, kind, 300, np.random.default_rng(seed))
        for person in story.people:
            track = np.array([(pose.x, pose.z) for pose in map(person.pose, range(300))])
            step_m = np.hypot(*np.diff(track, axis=0).T)
            assert step_m.max() < 0.44, (seed, int(step_m.argmax()), story.start_frame, story.end_frame)
