"""Manifest records: they round-trip exactly, contradictions are rejected, and validation is split off by a seed."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsvad.errors import ManifestError, UsageError
from wsvad.manifest.listing import list_videos
from wsvad.manifest.records import Box, VideoRecord, encode_records, read_records, write_records
from wsvad.manifest.records import decode_records as decode
from wsvad.manifest.truth import merge_spans, parse_boxes, parse_spans
from wsvad.manifest.validation_split import split_validation

DATA = Path(__file__).resolve().parents[1] / "data"

_NUMBER = st.integers(1, 2**31 - 1)
_TEXT = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=12)
_EDGES = st.lists(st.floats(0, 1e6), min_size=2, max_size=2, unique=True).map(sorted)


@st.composite
def _records(draw):
    edges = sorted(draw(st.sets(st.integers(0, 10_000), min_size=2, max_size=8)))
    spans = tuple(zip(edges[::2], edges[1::2], strict=False))
    corners = [(draw(_EDGES), draw(_EDGES)) for _ in spans]
    boxes = tuple(
        Box(*span, x[0], y[0], x[1], y[1], draw(st.none() | st.integers(0, 99)))
        for span, (x, y) in zip(spans, corners, strict=True)
    )
    label = draw(st.sampled_from([None, 0, 1]))
    return {
        "uri": draw(_TEXT),
        "label": label,
        "split": draw(st.sampled_from([None, "train", "val", "test"])),
        "category": draw(st.none() | _TEXT),
        "num_frames": draw(st.none() | st.integers(10_000, 2**40)),
        "width": draw(st.none() | _NUMBER),
        "height": draw(st.none() | _NUMBER),
        "spans": None if label == 0 else draw(st.sampled_from([None, spans])),
        "boxes": None if label == 0 else draw(st.sampled_from([None, (), boxes])),
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(_records(), min_size=1, max_size=4), st.sampled_from([".csv", ".parquet"]))
def test_records_round_trip_exactly(rows, suffix):
    """Every field, floats to the last bit, commas and quotes in names, in both formats."""
    records = [VideoRecord(video_id=f'v={number},"x".mp4', **row) for number, row in enumerate(rows)]
    assert decode(encode_records(records, suffix=suffix), name="m") == records


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_extraction_lists_the_videos_of_a_manifest_of_records(tmp_path, suffix):
    """With the same ids; relative URIs are resolved against the manifest's folder."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a b.mp4").write_bytes(b"x")
    records = [VideoRecord("a/b,c", "videos/a b.mp4", label=1, spans=((3, 5),), boxes=(Box(3, 5, 0, 0, 9, 9),))]
    uri = str(tmp_path / f"m{suffix}")
    write_records(uri, records)
    assert read_records(uri) == records
    assert [(v.video_id, v.info.size) for v in list_videos(uri).videos] == [("a/b,c", 1)]


def test_csv_cells_are_parsed_as_documented():
    """Text forms of spans and boxes; an empty cell is unknown, ``none`` is known to be none."""
    data = (
        b"video_id,uri,label,spans,boxes,remark\n"
        b'a,a.mp4,1,60-180 200-210,"60-180:0,95.5,23,128#7 200-210:1,2,3,4",hello\n'
        b"b,b.mp4,,none,,\nc,c.mp4,0,,,\nd,d.mp4,1.0,,none,\n"
    )
    a, b, c, d = decode(data, name="m.csv")
    assert a.spans == ((60, 180), (200, 210))
    assert a.boxes == (Box(60, 180, 0, 95.5, 23, 128, 7), Box(200, 210, 1, 2, 3, 4))
    assert (b.label, b.spans, b.boxes) == (None, (), None)
    assert (c.label, c.spans, c.boxes) == (0, (), ())
    assert (d.label, d.spans, d.boxes) == (1, None, ())


def test_a_manifest_of_uris_gets_the_same_ids_as_in_extraction(tmp_path):
    """Without an id column, with unknown columns, and with labels as floats with NaN (as written by pandas)."""
    table = pa.table({"uri": ["x/1.mp4", "s3://b/2.mp4"], "label": [1.0, float("nan")], "extra": [[1], [2]]})
    pq.write_table(table, tmp_path / "m.parquet")
    first, second = read_records(str(tmp_path / "m.parquet"))
    assert (first.video_id, first.label) == ("x/1.mp4", 1)
    assert (second.video_id, second.label) == ("b/2.mp4", None)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,a.mp4,2,,,", "label must be 0"),
        ("a,a.mp4,yes,,,", "label must be a whole number, got 'yes'"),
        ("a,a.mp4,0.5,,,", "whole number"),
        ("a,a.mp4,1,dev,,", "split must be one of train, val, test"),
        ("a,a.mp4,inf,,,", "label must be a whole number, got 'inf'"),
        ("a,a.mp4,0,,3-5,", "labelled normal"),
        ("a,a.mp4,1,,none,", "labelled anomalous"),
        ("a,a.mp4,1,,5-3,", "sorted, disjoint"),
        ("a,a.mp4,1,,1-5 3-9,", "sorted, disjoint"),
        ("a,a.mp4,1,,1_5,", "expected spans such as"),
        ("a,a.mp4,1,,1-5,\"1-5:9,0,3,4\"", "x1 < x2"),
        ("a,a.mp4,1,,1-5,1-5:9", "expected boxes such as"),
        ("a,a.mp4,1,,1-5,\"5-5:1,2,3,4\"", "start_frame < end_frame"),
        ("a,a.mp4,1,,1-5,\"1-5:0,0,nan,4\"", "finite"),
        ("../a,a.mp4,1,,,", "invalid video_id"),
        ("a,,1,,,", "uri is empty"),
    ],
)  # fmt: skip
def test_invalid_rows_are_rejected_with_their_number(row, message):
    """Contradictions, wrong values and unsafe ids."""
    with pytest.raises(ManifestError, match=message) as caught:
        decode(f"video_id,uri,label,split,spans,boxes\nok,ok.mp4,0,,,\n{row}\n".encode(), name="m.csv")
    assert "m.csv, row 2" in str(caught.value)


def test_a_missing_manifest_is_a_usage_error(tmp_path):
    """A retry does not help, so it is not a storage error; the message contains the URI."""
    with pytest.raises(ManifestError, match=f"file://{tmp_path}/none.csv: the file does not exist"):
        read_records(str(tmp_path / "none.csv"))


def test_truth_past_the_last_frame_is_removed_and_noted():
    """If the number of frames is known, spans and boxes end at the last frame; those beyond it are dropped."""
    spans, boxes = ((0, 4), (6, 11), (12, 13)), (Box(0, 11, 0, 0, 1, 1), Box(10, 12, 0, 0, 1, 1))
    cut = VideoRecord("a", "a.mp4", label=1, num_frames=10, spans=spans, boxes=boxes)
    assert cut.spans == ((0, 4), (6, 10))
    assert cut.boxes == (Box(0, 10, 0, 0, 1, 1),)
    assert cut.cut_off == "its truth ends at frame 13, the video has 10 frames"
    whole = VideoRecord("a", "a.mp4", label=1, num_frames=13, spans=spans, boxes=boxes)
    assert (whole.spans, whole.boxes, whole.cut_off) == (spans, boxes, "")


def test_truth_becomes_unknown_if_nothing_of_it_is_left():
    """The label is kept, but the spans are not 'none'. Copies and round trips keep that."""
    cut = VideoRecord("a", "a.mp4", label=1, split="test", num_frames=10, spans=((10, 12),))
    assert (cut.spans, bool(cut.cut_off)) == (None, True)
    assert replace(cut, split="val").spans is None
    assert decode(encode_records([cut], suffix=".csv"), name="m.csv") == [cut]


def test_a_published_span_one_frame_past_the_end_is_accepted(caplog):
    """As in published annotations: it is clipped, with one warning for the whole manifest."""
    data = (DATA / "span_one_past_end.csv").read_bytes()
    records = {r.video_id: r for r in decode(data, name="m.csv")}
    assert records["Arson011_x264.mp4"].spans == ((150, 420), (680, 1266))
    assert records["Assault006_x264.mp4"].spans == ((1184, 3984),)
    warnings = [r.getMessage() for r in caplog.records if "past the last frame" in r.getMessage()]
    assert warnings == [
        "m.csv: ground truth past the last frame was removed for 1 videos, e.g. Arson011_x264.mp4: its truth ends at "
        "frame 1267, the video has 1266 frames"
    ]
    assert decode(encode_records(list(records.values()), suffix=".parquet"), name="m.parquet") == list(records.values())


@pytest.mark.parametrize(
    "row",
    [
        f"a,a.mp4,1,{10**30},,",
        f"a,a.mp4,1,,{10**12}-{10**13},",
        f'a,a.mp4,1,,,"0-9:0,0,1,1#{10**12}"',
        f'a,a.mp4,1,,,"0-{10**20}:0,0,1,1"',
    ],
)
def test_implausible_numbers_are_rejected(row):
    """They would not fit into a column of a written manifest."""
    with pytest.raises(ManifestError, match=r"m\.csv, row 1"):
        decode(f"video_id,uri,label,num_frames,spans,boxes\n{row}\n".encode(), name="m.csv")


def test_repeated_ids_and_other_formats_are_rejected():
    """When writing and when reading."""
    records = [VideoRecord("a", "a.mp4"), VideoRecord("a", "b.mp4")]
    with pytest.raises(ManifestError, match="unique; 1 are not"):
        encode_records(records, suffix=".csv")
    with pytest.raises(ManifestError, match="unique"):
        decode(b"video_id,uri\na,1.mp4\na,2.mp4\n", name="m")
    with pytest.raises(UsageError, match=r"a \.csv or \.parquet file"):
        encode_records(records[:1], suffix=".json")


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12))
def test_merged_spans_hold_the_same_frames(pairs):
    """Compared with a set of frames; the result is sorted, disjoint and not adjacent."""
    merged = merge_spans(pairs)
    assert {f for s, e in merged for f in range(s, e)} == {f for s, e in pairs for f in range(s, e)}
    assert all(a[1] < b[0] for a, b in pairwise(merged))


def test_the_word_none_is_parsed_as_known_to_be_none():
    """With or without white space."""
    assert parse_spans(" none ") == () == parse_boxes("none")


def _train(**counts):
    records = []
    for name, count in counts.items():
        label = int(name != "Normal")
        records += [VideoRecord(f"{name}{i}", f"{name}{i}.mp4", label, "train", name) for i in range(count)]
    return records


def test_the_validation_split_is_stratified_by_label_and_category():
    """A fifth of each label, exactly; of each category, within one video; nothing else changes."""
    records = [*_train(Arson=10, Abuse=13, Normal=50), VideoRecord("t", "t.mp4", 1, "test", "Arson")]
    cut = split_validation(records, 0.2, seed=0)
    moved = [r.category for r in cut if r.split == "val"]
    assert len(moved) - moved.count("Normal") == round(0.2 * 23)
    assert moved.count("Normal") == 10
    assert abs(moved.count("Arson") - 2) <= 1
    assert [(r.video_id, r.label) for r in cut] == [(r.video_id, r.label) for r in records]
    assert cut[-1].split == "test"


def test_the_validation_split_depends_only_on_seed_and_ids():
    """Not on the order of rows; another seed gives another split."""
    records = _train(Arson=20, Normal=20)

    def val(rows, seed):
        return {r.video_id for r in split_validation(rows, 0.25, seed) if r.split == "val"}

    assert val(records, 1) == val(records[::-1], 1) != val(records, 2)


@pytest.mark.parametrize(
    ("records", "fraction", "message"),
    [
        (_train(Normal=4), 1.0, "above 0 and below 1"),
        ([VideoRecord("a", "a.mp4", 1, "test")], 0.2, "no video has split 'train'"),
        (_train(Normal=10, Arson=1), 0.2, "label 1: 1 of 1"),
    ],
)
def test_an_impossible_validation_split_is_rejected(records, fraction, message):
    """Fraction out of range, no training videos, or a label that would keep none."""
    with pytest.raises(UsageError, match=message):
        split_validation(records, fraction, seed=0)
