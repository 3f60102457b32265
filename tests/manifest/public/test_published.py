"""Every data set from its published annotation files: counts, labels and truth, compared with naive parsers."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from tests.manifest.public.reading import counted, records_of, rows_of

_TRAIN, _TEST = [("train", 0), ("train", 1)], [("test", 0), ("test", 1)]


def _frames(records):
    return sum(end - start for r in records for start, end in r.spans or ())


def _truth(path):
    """Return the sets of anomalous frames in a file of intervals, by video."""
    found = {}
    for row in rows_of(path):
        words = row["anomalous_intervals_0based_halfopen"].split()
        found[row["video"]] = {f for w in words for f in range(*map(int, w.split("-")))}
    return found


def _as_frames(record):
    return {f for start, end in record.spans for f in range(start, end)}


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        ("ucf-crime", "ucf_crime", {("train", 0): 800, ("train", 1): 810, ("test", 0): 150, ("test", 1): 140}),
        ("shanghaitech", "shanghaitech", {("train", 0): 175, ("train", 1): 63, ("test", 0): 155, ("test", 1): 44}),
        ("xd-violence", "xd_violence", {("train", 0): 2049, ("train", 1): 1905, ("test", 0): 300, ("test", 1): 500}),
        ("ucsd-ped2", "ucsd_ped2", {("train", 0): 10, ("train", 1): 6, ("test", 0): 6, ("test", 1): 6}),
        ("survfight-temporal", "survfight/temporal", dict.fromkeys(_TRAIN, 36) | dict.fromkeys(_TEST, 18)),
        ("survfight-spatial", "survfight/spatial", dict.fromkeys(_TRAIN, 30) | dict.fromkeys(_TEST, 16)),
    ],
)
def test_counts_by_split_and_label_match_the_publication(published, name, folder, expected):
    """UCF-Crime 1,610 + 290, ShanghaiTech 238 + 199, XD-Violence 3,954 + 800, Ped2 28, SurvFight 108 and 92."""
    records = records_of(name, published / folder)
    assert counted(records) == expected
    assert all(r.spans is None and r.boxes is None for r in records if r.split == "train" and r.label == 1)
    assert all((r.spans is not None) and (r.spans == ()) == (r.label == 0) for r in records if r.split == "test")


def test_ucf_crime_frames_are_shifted_from_one_based_inclusive(published):
    """Compared with a loop over the text: frame f of the file, counted from 1, is frame f - 1; both ends included."""
    records = {r.video_id: r for r in records_of("ucf-crime", published / "ucf_crime") if r.split == "test"}
    total = 0
    for line in (published / "ucf_crime/Temporal_Anomaly_Annotation.txt").read_text().splitlines():
        name, category, *numbers = line.split()
        a, b, c, d = map(int, numbers)
        frames = {f - 1 for f in [*range(a, b + 1), *range(c, d + 1)] if f > 0}
        total += len(frames)
        assert _as_frames(records[name]) == frames
        assert records[name].category == category
    assert _frames(records.values()) == total == 84_345
    assert records["Abuse028_x264.mp4"].spans == ((164, 240),)
    listed = {path.rsplit("/")[-1]: path for path in (published / "ucf_crime/Anomaly_Test.txt").read_text().split()}
    assert {i: r.uri for i, r in records.items()} == listed


def test_boxes_of_liu_and_ma_are_extended_to_neighbouring_frames(published, copied):
    """Every frame of an event within 16 frames of an annotated one has the box of the nearest annotated frame."""
    copied("ucf_crime")
    records = records_of("ucf-crime-boxes", copied("ucf_crime_boxes"))
    videos = {r.video_id: r for r in records if r.split == "test"}
    drawn = {}
    for row in rows_of(published / "ucf_crime_boxes/test_boxes.csv"):
        corners = tuple(float(row[c]) for c in ("x1", "y1", "x2", "y2"))
        drawn.setdefault(row["video"], {})[int(row["frame"]) - 1] = corners
    assert {i for i, r in videos.items() if r.boxes} == set(drawn)
    for name in sorted(drawn)[::10]:
        held = {f: (b[2:6], b.track) for b in videos[name].boxes for f in range(b.start_frame, b.end_frame)}
        assert sum(b.end_frame - b.start_frame for b in videos[name].boxes) == len(held)
        for track, event in enumerate(videos[name].spans):
            own = [f for f in drawn[name] if event[0] <= f < event[1]]
            for frame in range(*event):
                distance, nearest = min((abs(frame - f), f) for f in own)
                assert held.get(frame) == ((drawn[name][nearest], track) if distance <= 16 else None)
    assert {(r.width, r.height) for r in videos.values() if r.boxes} == {(320, 240)}


def test_shanghaitech_truth_equals_independent_frame_labels(published):
    """The intervals of the weak split are compared with those of the original test part; lengths, too."""
    records = records_of("shanghaitech", published / "shanghaitech", train_truth=True)
    independent = {
        n.removesuffix(".npy"): t for n, t in _truth(published / "frame_level/shanghaitech_test_intervals.csv").items()
    }
    anomalous = {r.video_id: _as_frames(r) for r in records if r.label == 1}
    assert anomalous == independent
    assert _frames(r for r in records if r.split == "test") == 7_962
    assert sum(r.num_frames for r in records if r.split == "test") == 141_870
    for split in ("train", "test"):
        names = (published / f"shanghaitech/SH_{split.capitalize()}.txt").read_text().split()
        assert {r.video_id for r in records if r.split == split} == set(names)


def test_ped2_truth_equals_independent_frame_labels_and_its_boxes(published):
    """Frame labels of another repository (0 = Test001), and the union of the boxes' frames; 21 objects in total."""
    records = {r.video_id: r for r in records_of("ucsd-ped2", published / "ucsd_ped2", train_truth=True)}
    independent = _truth(published / "frame_level/ped2_test_intervals.csv")
    assert len(independent) == 12
    for number, frames in independent.items():
        record = records[f"Test{int(number) + 1:03}.mp4"]
        assert _as_frames(record) == frames
        assert {f for b in record.boxes for f in range(b.start_frame, b.end_frame)} == frames
        for track in {b.track for b in record.boxes}:
            own = [b for b in record.boxes if b.track == track]
            assert len({b.start_frame for b in own}) == len(own)
    assert sum(len({b.track for b in r.boxes}) for r in records.values()) == 21
    assert sum(len(r.boxes) for r in records.values()) == 2_410


@pytest.mark.parametrize(
    ("split", "trained", "tested"),
    [("weak", (10, 6), (6, 6)), ("swapped", (10, 6), (6, 6)), ("original", (16, 0), (0, 12))],
)
def test_ped2_splits(published, split, trained, tested):
    """Every video is in one split; the anomalous test videos of the two weak halves are complementary."""
    records = records_of("ucsd-ped2", published / "ucsd_ped2", ped2_split=split)
    table = counted(records)
    assert ((table["train", 0], table["train", 1]), (table["test", 0], table["test", 1])) == (trained, tested)
    if split != "original":
        other = records_of("ucsd-ped2", published / "ucsd_ped2", ped2_split="swapped" if split == "weak" else "weak")
        anomalous = [{r.video_id for r in half if r.split == "test" and r.label} for half in (records, other)]
        assert not set.intersection(*anomalous)
        assert len(set.union(*anomalous)) == 12


def test_xd_violence_frames_are_not_shifted(published):
    """0-based, half-open; names with and without .mp4; the label is part of the name."""
    records = {r.video_id: r for r in records_of("xd-violence", published / "xd_violence")}
    total = 0
    for line in (published / "xd_violence/annotations.txt").read_text().splitlines():
        name, *numbers = line.split()
        frames = {f for a, b in zip(numbers[::2], numbers[1::2], strict=True) for f in range(int(a), int(b))}
        total += len(frames)
        assert _as_frames(records[re.sub(r"\.mp4$", "", name)]) == frames
    assert total == 538_324
    assert all(r.label == (not i.endswith("label_A")) for i, r in records.items())
    assert Counter(r.category for r in records.values())["Normal"] == 2_349
    assert records["Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6"].category == "Explosion"


def test_the_feature_lists_of_xd_violence_give_the_same_videos(published, copied):
    """Five feature files per video, with folders and crop numbers, give the video once."""
    root = copied("xd_violence")
    for ours, theirs in (("train_videos.txt", "rgb.list"), ("test_videos.txt", "rgb_test.list")):
        names = [line.rsplit(" ", 1)[0] for line in (root / ours).read_text().splitlines()]
        (root / theirs).write_text("".join(f"/media/T5/RGB/{n}__{crop}.npy\n" for n in names for crop in range(5)))
        (root / ours).unlink()
    assert records_of("xd-violence", root) == records_of("xd-violence", published / "xd_violence")


@pytest.mark.parametrize("track", ["temporal", "spatial"])
def test_survfight_temporal_and_spatial_truth_are_consistent(published, track):
    """Text file and boxes have the same frames; sizes and lengths are those of videos.csv; each row is a track."""
    folder = published / "survfight" / track
    records = {r.video_id: r for r in records_of(f"survfight-{track}", folder)}
    for line in (folder / "test_temporal_annotations.txt").read_text().splitlines():
        name, category, *numbers = line.split()
        frames = {
            f - 1 for a, b in zip(numbers[::2], numbers[1::2], strict=True) for f in range(int(a), int(b) + 1) if f > 0
        }
        assert (_as_frames(records[name]), records[name].category) == (frames, category)
        assert {f for b in records[name].boxes for f in range(b.start_frame, b.end_frame)} == frames
    for row in rows_of(folder / "videos.csv"):
        record = records[row["video"]]
        assert (record.num_frames, record.width, record.height) == tuple(
            int(row[c]) for c in ("frames", "width", "height")
        )
        assert [b.track for b in record.boxes or ()] == list(range(len(record.boxes or ())))


def test_a_test_list_for_model_selection_becomes_the_validation_split(published):
    """With its truth, because metrics are reported on it; SurvFight's README describes its list as one."""
    folder = published / "survfight" / "spatial"
    plain, val = records_of("survfight-spatial", folder), records_of("survfight-spatial", folder, test_as_val=True)
    assert [replace(r, split="val" if r.split == "test" else r.split) for r in plain] == list(val)
    assert any(r.spans for r in val if r.split == "val")
