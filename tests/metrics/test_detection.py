"""RBDC and TBDC: by hand, and compared with a naive implementation over frames, thresholds and pixels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from wsvad.manifest.records import Box
from wsvad.metrics import detection
from wsvad.metrics.detection import area_to_one, detect, detection_curve, level_thresholds
from wsvad.metrics.grids import Grid, make_grid
from wsvad.metrics.ranking import UndefinedMetric
from wsvad.metrics.spatial import area_statistic

VIEW = (0.0, 0.0, 70.0, 70.0)


def ours(grids: list[Grid], alpha: float = 0.1, beta: float = 0.1) -> tuple[float, float]:
    """Return RBDC and TBDC."""
    thresholds = level_thresholds(grids)
    found = [detect(grid, thresholds, alpha, beta) for grid in grids]
    false, frames = sum(d.false_positives_L for d in found), sum(d.frames for d in found)
    region = sum(d.region_hits_L for d in found), sum(d.regions for d in found)
    track = sum(d.track_hits_L for d in found), sum(d.tracks for d in found)
    return tuple(area_to_one(detection_curve(hits, n, false, frames, thresholds)) for hits, n in (region, track))


def flood(flags: np.ndarray) -> list[tuple[float, float, float, float]]:
    """Return bounding boxes of connected cells, by flood fill."""
    left, boxes = {(int(r), int(c)) for r, c in np.argwhere(flags)}, []
    while left:
        queue, seen = [left.pop()], []
        while queue:
            r, c = queue.pop()
            seen.append((r, c))
            near = {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            queue += near
        rows, columns = [r for r, _ in seen], [c for _, c in seen]
        boxes.append((10 * min(columns), 10 * min(rows), 10 * max(columns) + 10, 10 * max(rows) + 10))
    return boxes


def pixel_iou(a: tuple, b: tuple) -> float:
    """Return the IoU of boxes with integer corners, by counting pixels."""
    canvas = np.zeros((2, 70, 70), bool)
    for layer, (x1, y1, x2, y2) in zip(canvas, (a, b), strict=True):
        layer[int(y1) : int(y2), int(x1) : int(x2)] = True
    return float((canvas[0] & canvas[1]).sum() / (canvas[0] | canvas[1]).sum())


def naive(videos: list[tuple[np.ndarray, list[Box]]], alpha: float, beta: float) -> tuple[float, float]:
    """Compute both criteria as in the paper, frame by frame at every threshold."""
    points = [(0.0, 0.0, 0.0)]
    for threshold in sorted({float(v) for scores, _ in videos for v in scores.ravel()}):
        hits = total = false = frames = 0
        tracks: dict[tuple[int, int], list[bool]] = {}
        for video, (scores, boxes) in enumerate(videos):
            for frame in range(16 * len(scores)):
                regions = flood(scores[frame // 16].reshape(7, 7) >= threshold)
                truth = [b for b in boxes if b.start_frame <= frame < b.end_frame]
                for b in truth:
                    hit = any(pixel_iou(b[2:6], r) >= beta for r in regions)
                    hits, total = hits + hit, total + 1
                    tracks.setdefault((video, b.track or 0), []).append(hit)
                false += sum(all(pixel_iou(b[2:6], r) < beta for b in truth) for r in regions)
                frames += 1
        found = sum(np.mean(t) >= alpha for t in tracks.values())
        points.append((false / frames, hits / total, found / len(tracks)))
    return tuple(step_area([(x, p[which]) for x, *p in points]) for which in (0, 1))


def step_area(points: list[tuple[float, float]], grid: int = 0) -> float:
    """Return the integral over x in [0, 1] of the best y at or left of x."""
    edges = sorted({x for x, _ in points if x <= 1} | {1.0})
    return sum((right - left) * max(y for x, y in points if x <= left) for left, right in pairwise(edges))


@pytest.mark.parametrize(("seed", "alpha", "beta"), [(0, 0.1, 0.1), (1, 0.5, 0.1), (2, 0.1, 0.4), (3, 1.0, 0.2)])
def test_the_criteria_equal_the_naive_implementation(seed: int, alpha: float, beta: float) -> None:
    """Random scores of four levels; tracks that move, overlap, leave and return; normal videos."""
    rng = np.random.default_rng(seed)
    videos, grids = [], []
    for n in range(3):
        scores = rng.choice([0.1, 0.3, 0.6, 0.9], (3, 49), p=[0.7, 0.15, 0.1, 0.05])
        boxes = []
        for track in range(n):
            x, y = rng.integers(0, 40, 2)
            for start, end in ((3, 20), (20, 21), (30, 44)):
                x, y = x + rng.integers(0, 6), y + rng.integers(0, 6)
                boxes.append(Box(start, end, int(x), int(y), int(x + 18), int(y + 12), track))
        videos.append((scores, boxes))
        grids.append(make_grid(scores, [(0, 16), (16, 32), (32, 48)], VIEW, boxes, 48))
    assert ours(grids, alpha, beta) == pytest.approx(naive(videos, alpha, beta), abs=1e-12)


def hand(cells: dict[int, float], boxes: list[Box], frames: int = 16) -> Grid:
    """Return one clip with the given cell scores; other cells have score 0."""
    scores = np.zeros((1, 49))
    for cell, score in cells.items():
        scores[0, cell] = score
    return make_grid(scores, [(0, frames)], VIEW, boxes, frames)


@pytest.mark.parametrize(
    ("grid", "rbdc", "tbdc"),
    [
        # the only true cell is detected first, without a false positive
        (hand({0: 0.9}, [Box(0, 16, 0, 0, 10, 10, 1)]), 1.0, 1.0),
        # a false region is first: 1 per frame from the first threshold, so nothing counts before x = 1
        (hand({48: 0.9, 0: 0.8}, [Box(0, 16, 0, 0, 10, 10, 1)]), 0.0, 0.0),
        # the box exists in a quarter of the frames only: a false positive in the other 12 of 16
        (hand({0: 0.9}, [Box(0, 4, 0, 0, 10, 10, 1)]), 0.25, 0.25),
        # two regions of one track, of which the cell detects one: half of the regions, but the whole track
        (hand({0: 0.9}, [Box(0, 8, 0, 0, 10, 10, 1), Box(0, 8, 40, 40, 70, 70, 1)], 8), 0.5, 1.0),
    ],
)
def test_the_criteria_by_hand(grid: Grid, rbdc: float, tbdc: float) -> None:
    """At the last threshold, 0, the whole frame is one region, which never matches a box of one cell."""
    assert ours([grid]) == pytest.approx((rbdc, tbdc))


def ranked(videos: list[tuple[np.ndarray, list[Box]]], alpha: float, beta: float) -> tuple[float, float]:
    """Compute them as public scripts do: scored regions, best first, trapezoids up to one false positive per frame."""
    frames = sum(16 * len(scores) for scores, _ in videos)
    regions = [
        (float(score), video, 16 * clip + frame, (10 * (cell % 7), 10 * (cell // 7)))
        for video, (scores, _) in enumerate(videos)
        for (clip, cell), score in np.ndenumerate(scores)
        for frame in range(16)
        if score
    ]
    truth = [(video, frame, b) for video, (_, boxes) in enumerate(videos) for b in boxes for frame in range(*b[:2])]
    tracks = {(video, b.track): sum(t[0] == video and t[2].track == b.track for t in truth) for video, _, b in truth}
    seen: set[int] = set()
    points, false = [(0.0, 0.0, 0.0)], 0
    for _, video, frame, (x, y) in sorted(regions, key=lambda r: -r[0]):
        where = (x, y, x + 10, y + 10)
        met = {n for n, (v, f, b) in enumerate(truth) if (v, f) == (video, frame) and pixel_iou(b[2:6], where) >= beta}
        false, seen = false + (not met), seen | met
        parts = [sum((truth[n][0], truth[n][2].track) == track for n in seen) / size for track, size in tracks.items()]
        points.append((false / frames, len(seen) / len(truth), float(np.mean(np.array(parts) >= alpha))))
    inside = [p for p in points if p[0] <= 1]
    x, *rates = np.array([*inside, (1.0, *inside[-1][1:])]).T
    return tuple(float(np.trapezoid(y, x)) for y in rates)


@pytest.mark.parametrize("seed", range(3))
def test_separate_regions_give_the_results_of_public_scripts(seed: int) -> None:
    """For cells that never touch and have different scores, and boxes that span whole clips."""
    rng = np.random.default_rng(seed)
    apart = np.array([0, 2, 4, 6, 14, 16, 18, 20, 28, 30, 32, 34, 42, 44, 46, 48])
    videos = []
    for n in range(2):
        scores = np.zeros((4, 49))
        for clip in range(4):
            scores[clip, rng.choice(apart, 3, replace=False)] = rng.random(3) * 0.9 + 0.1
        places = [divmod(int(np.argmax(scores[clip])), 7) for clip in (0, 1, 3)]
        spans = [(0, 16), (16, 32), (48, 64)]
        boxes = [
            Box(*s, 10 * c, 10 * r, 10 * c + 10, 10 * r + 10, t // 2)
            for t, (s, (r, c)) in enumerate(zip(spans, places, strict=True))
        ]
        videos.append((scores, boxes if n else boxes[:1]))
    grids = [make_grid(scores, [(16 * t, 16 * t + 16) for t in range(4)], VIEW, boxes, 64) for scores, boxes in videos]
    found = ours(grids)
    assert found == pytest.approx(ranked(videos, 0.1, 0.1), abs=1e-12)
    assert 0 < found[0] < 1


def test_cells_that_touch_at_a_corner_are_one_region() -> None:
    """Cells 0 and 8 have the bounding box of 2x2 cells, IoU 1 with the ground truth."""
    grid = hand({0: 0.9, 8: 0.9}, [Box(0, 16, 0, 0, 20, 20, 1)])
    assert ours([grid], beta=1.0) == (1.0, 1.0)
    assert detect(grid, np.array([0.9])).false_positives_L.tolist() == [0]


def test_unscored_frames_count_and_boxes_past_the_end_do_not() -> None:
    """20 frames, of which the clip covers 16; the box covers frames 8 to 99."""
    scores = np.zeros((1, 49))
    scores[0, 0] = 0.9
    grid = make_grid(scores, [(0, 16)], VIEW, [Box(8, 99, 0, 0, 10, 10, 1), Box(50, 60, 0, 0, 9, 9, 2)], 20)
    found = detect(grid, np.array([0.9]))
    assert (found.region_hits_L[0], found.regions, found.tracks, found.frames) == (8, 12, 1, 20)
    assert found.false_positives_L[0] == 8


def test_nothing_to_detect_is_undefined() -> None:
    """Normal videos only."""
    with pytest.raises(UndefinedMetric, match="no ground-truth box"):
        ours([hand({0: 0.9}, [])])


def test_the_resampled_area_equals_the_area() -> None:
    """Weights of one give the value; weights of two for one video, that of two copies."""
    grids = [hand({0: 0.9, 30: 0.5}, [Box(0, 9, 0, 0, 10, 10, 1)]), hand({20: 0.7, 3: 0.6}, [])]
    thresholds = level_thresholds(grids)
    found = [detect(g, thresholds) for g in grids]
    parts = [
        np.stack([d.region_hits_L for d in found]),
        np.array([float(d.regions) for d in found]),
        np.stack([d.false_positives_L for d in found]),
        np.array([float(d.frames) for d in found]),
    ]
    once, twice = area_statistic(*parts)(np.array([[1.0, 1.0], [2.0, 1.0]]))
    assert once == pytest.approx(ours(grids)[0])
    assert twice == pytest.approx(ours([grids[0], grids[0], grids[1]])[0])


def test_a_long_video_is_processed_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts do not depend on the size of chunks."""
    rng = np.random.default_rng(2)
    boxes = [Box(20 * n, 20 * n + 30, 5 * n, 10, 5 * n + 20, 30, n // 2) for n in range(7)]
    grid = make_grid(rng.random((10, 49)), [(16 * t, 16 * t + 16) for t in range(10)], VIEW, boxes, 160)
    thresholds = level_thresholds([grid], most=50)
    whole = detect(grid, thresholds)
    for clips in (1, 3):
        monkeypatch.setattr(detection, "CLIPS_AT_ONCE", clips)
        parts = detect(grid, thresholds)
        for name, value in vars(whole).items():
            assert np.array_equal(getattr(parts, name), value), name


def test_thresholds_are_subsampled() -> None:
    """Lowest and highest score are kept; thresholds are densest among the highest scores."""
    scores = np.linspace(0, 1, 490).reshape(10, 49)
    grid = make_grid(scores, [(16 * t, 16 * t + 16) for t in range(10)], VIEW, [], 160)
    thresholds = level_thresholds([grid], most=200)
    assert thresholds.size <= 200
    assert (thresholds[0], thresholds[-1]) == (1.0, 0.0)
    assert thresholds[:30].tolist() == np.linspace(0, 1, 490)[::-1][:30].tolist()


def test_subsampled_thresholds_change_the_area_only_slightly() -> None:
    """Four videos with 1,960 distinct scores in total: within 0.01 of the value over all thresholds."""
    rng = np.random.default_rng(5)
    grids = []
    for n in range(4):
        scores = rng.random((10, 49))
        boxes = [Box(16 * t, 16 * t + 16, 10 * t % 50, 20, 10 * t % 50 + 20, 40, n) for t in range(2, 8)]
        scores[2:8, 14:28] += 0.6 * rng.random((6, 14)) if n % 2 else 0
        grids.append(make_grid(scores, [(16 * t, 16 * t + 16) for t in range(10)], VIEW, boxes if n % 2 else [], 160))
    some, every = level_thresholds(grids, most=200), level_thresholds(grids, most=5000)
    assert (len(some) < 200, len(every)) == (True, 1960)
    areas = []
    for thresholds in (some, every):
        found = [detect(g, thresholds) for g in grids]
        sums = [
            sum(getattr(d, name) for d in found) for name in ("region_hits_L", "regions", "false_positives_L", "frames")
        ]
        areas.append(area_to_one(detection_curve(*sums, thresholds)))
    assert areas[0] == pytest.approx(areas[1], abs=0.01)
