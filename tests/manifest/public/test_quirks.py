"""Variations in annotation files that are accepted, and invalid files, for which the message names file and problem."""

import re

import pytest

from tests.manifest.public.reading import records_of
from wsvad.errors import ManifestError, UsageError
from wsvad.manifest.public.build import ManifestConfig, build

_NAMES = {
    "ucf_crime": "ucf-crime",
    "shanghaitech": "shanghaitech",
    "xd_violence": "xd-violence",
    "ucsd_ped2": "ucsd-ped2",
    "survfight/spatial": "survfight-spatial",
    "survfight": "survfight-temporal",
}
_TEST = "Temporal_Anomaly_Annotation.txt"


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_line_ends_blank_lines_byte_order_marks_and_subfolders_do_not_matter(published, copied):
    """Windows line ends, a BOM, blank lines, no final newline, other folders, and the official zip's longer name."""
    root = copied("ucf_crime")
    test = root / _TEST
    text = "\ufeff\r\n" + test.read_text().rstrip().replace("\n", " \r\n\r\n").replace("  ", "\t")
    (root / "deep/er").mkdir(parents=True)
    (root / "deep/er/Temporal_Anomaly_Annotation_for_Testing_Videos.txt").write_bytes(text.encode())
    test.unlink()
    train = root / "Anomaly_Train.txt"
    train.write_text(train.read_text().rstrip("\n"))
    assert records_of("ucf-crime", root) == records_of("ucf-crime", published / "ucf_crime")


@pytest.mark.parametrize(
    ("folder", "file", "edit", "message"),
    [
        ("ucf_crime", "Anomaly_Train.txt", None, "Anomaly_Train.txt is not below"),
        (
            "ucf_crime",
            "Anomaly_Train.txt",
            ("Abuse/Abuse001_x264.mp4\n", ""),
            "810 anomalous train videos in the annotation files, got 800 and 809",
        ),
        ("ucf_crime", "Anomaly_Train.txt", ("Abuse/Abuse001", "Abuse/Abuse002"), "ids must be unique"),
        ("ucf_crime", "Anomaly_Train.txt", ("Abuse/", "Abus/"), "line 1: unknown class 'Abus'"),
        ("ucf_crime", "Anomaly_Train.txt", ("Abuse/Abuse001", "Abuse001"), "line 1: expected Class/name.mp4"),
        ("ucf_crime", _TEST, ("165  240", "240  165"), "line 1: expected frames from 1"),
        ("ucf_crime", _TEST, ("165  240", "0  240"), "line 1: expected frames from 1"),
        ("ucf_crime", _TEST, ("165  240", "165"), "line 1: expected pairs"),
        ("ucf_crime", _TEST, ("165  240", "165  24o"), "whole number, got '24o'"),
        ("ucf_crime", _TEST, ("165  240", "-1  -1"), "but has 0 events"),
        ("shanghaitech", "test_frame_intervals.csv", ("01_0014,", "01_0013,"), "01_0014 is labelled 1"),
        ("shanghaitech", "test_frame_intervals.csv", ("154-230", "154:230"), "line 2: expected spans"),
        ("shanghaitech", "SH_Test_NEW.txt", ("01_001,0", "01_001,2"), "line 1: expected name,label"),
        ("shanghaitech", "SH_Train_new.txt", ("01_0014,1\n", ""), "175 normal and 63 anomalous"),
        (
            "xd_violence",
            "annotations.txt",
            ("v=S-7rRLrxnVQ", "v=S-7rRLrxnV"),
            "line 1: expected an anomalous test video",
        ),
        ("xd_violence", "test_videos.txt", ("label_G-B2-B6 1", "label_G-B2-B6 0"), "list has label 0"),
        ("xd_violence", "train_videos.txt", ("_label_A 0", "_label_Q 0"), "line 1: expected a name"),
        ("ucsd_ped2", "videos.csv", ("video,part,frames", "video,part,length"), "missing ['frames']"),
        ("ucsd_ped2", "videos.csv", ("Test012.mp4", "Test013.mp4"), "Test012.mp4 is not in videos.csv"),
        ("ucsd_ped2", "videos.csv", ("Train001.mp4,train,120,10", "Train001.mp4,train,120"), "line 2: expected 7"),
        ("survfight/spatial", "test_list.txt", ("test_001.mp4 1", "test_001.mp4 0"), "line 1: 's_dev"),
        ("survfight/spatial", "train_list.txt", ("s_dev_train_001.mp4 0\n", ""), "1 videos are missing"),
        ("survfight/spatial", "test_boxes.csv", (",80,168,", ",80,167,"), "have different frames"),
        ("survfight", "train_list.txt", None, "more than once with different content"),
    ],
)
def test_invalid_files_are_rejected(published, copied, folder, file, edit, message):
    """Missing, incomplete, contradictory or mistyped: the error contains the file, the line and the expectation."""
    root = published / folder if folder == "survfight" else copied(folder)
    if edit:
        _edit(root / file, *edit)
    elif folder != "survfight":
        (root / file).unlink()
    with pytest.raises(ManifestError) as caught:
        records_of(_NAMES[folder], root)
    assert message in str(caught.value)


def test_boxes_must_match_the_videos_of_the_list(published, copied, tmp_path):
    """Boxes of other videos, outside the frame, or outside every event are rejected."""
    for old, new, message in (
        ("Abuse028_x264.mp4,Abuse,180,3,83,82,150", "Abuse028_x264.mp4,Abuse,180,3,83,82,250", "inside 320x240"),
        ("Abuse028_x264.mp4,Abuse,180", "Abuse028_x264.mp4,Abuse,100", "frame 99 has a box"),
        ("Abuse028_x264.mp4,", "Abuse999_x264.mp4,", "anomalous test videos; 1 do not match, e.g. Abuse999_x264.mp4"),
    ):
        root = copied("ucf_crime")
        copied("ucf_crime_boxes")
        _edit(root / "test_boxes.csv", old, new)
        with pytest.raises(ManifestError) as caught:
            records_of("ucf-crime-boxes", root)
        assert message in str(caught.value)


def test_names_with_commas_and_spaces(copied):
    """A film title with comma and space: in the list, in the annotation, in the id."""
    root = copied("xd_violence")
    old, new = "Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6", "Bad Boys, 1995__#01-11-55_01-12-40_label_G-B2-B6"
    for name in ("test_videos.txt", "annotations.txt"):
        _edit(root / name, old, new)
    record = next(r for r in records_of("xd-violence", root) if r.video_id == new)
    assert (record.uri, record.spans[0]) == (f"{new}.mp4", (157, 180))


def test_boxes_of_training_videos_are_optional(copied):
    """Weak supervision does not use them; those of the test videos are required."""
    root = copied("ucf_crime")
    copied("ucf_crime_boxes")
    (root / "train_boxes.csv").unlink()
    assert sum(r.boxes is not None for r in records_of("ucf-crime-boxes", root)) == 140 + 150 + 800
    (root / "test_boxes.csv").unlink()
    with pytest.raises(ManifestError, match=r"test_boxes\.csv is not below"):
        records_of("ucf-crime-boxes", root)


def test_survfight_folders_with_one_split_need_no_files_of_the_other(copied):
    """A folder with test videos only can be read without a training list."""
    root = copied("survfight/spatial")
    (root / "train_list.txt").unlink()
    rows = (root / "videos.csv").read_text().splitlines()
    (root / "videos.csv").write_text("\n".join(r for r in rows if ",train," not in r))
    assert {r.split for r in records_of("survfight-spatial", root)} == {"test"}


def test_invalid_options_are_rejected(published):
    """The message for an unknown name lists the known ones; the split of Ped2 is only valid for Ped2."""
    with pytest.raises(UsageError, match="unknown data set 'ucf'; known: ucf-crime, "):
        records_of("ucf", published)
    with pytest.raises(UsageError, match="only valid for ucsd-ped2, not for ucf-crime"):
        records_of("ucf-crime", published, ped2_split="original")
    with pytest.raises(UsageError, match="below 1"):
        records_of("ucf-crime", published, val_fraction=1.0)
    with pytest.raises(UsageError, match="not both"):
        records_of("ucf-crime", published, val_fraction=0.1, test_as_val=True)
    with pytest.raises(ManifestError, match="does not exist"):
        records_of("ucf-crime", published / "nowhere")


@pytest.mark.parametrize(
    ("name", "folder", "file", "line", "spans"),
    [
        ("survfight-temporal", "survfight/temporal", "videos.csv", r"(t_dev_test_001.mp4,test,1,\w+,)\d+", (150, 200)),
        ("ucsd-ped2", "ucsd_ped2", "videos.csv", r"(Test001.mp4,test,)\d+", (60, 200)),
        ("shanghaitech", "shanghaitech", "test_frame_intervals.csv", r"(01_0014,)\d+", (154, 200)),
    ],
)  # fmt: skip
def test_truth_past_the_last_frame_is_removed_from_published_files(copied, caplog, name, folder, file, line, spans):
    """As described in docs/metrics.md; the summary of the manifest lists the videos."""
    root = copied(folder)
    text = (root / file).read_text()
    frames = 170 if name == "ucsd-ped2" else 200
    changed, count = re.subn(line, rf"\g<1>{frames}", text)
    assert count == 1
    (root / file).write_text(changed)
    built = build(ManifestConfig(name, str(root), train_truth=True), "/nowhere/m.parquet")
    (record,) = (r for r in built.records if r.cut_off)
    assert record.spans == ((spans[0], min(spans[1], frames)),)
    assert all(box.end_frame <= frames for box in record.boxes or ())
    assert built.summary["truth_cut_off"] == [record.video_id]
    assert f"{name}: ground truth past the last frame was removed for 1 videos" in caplog.text
