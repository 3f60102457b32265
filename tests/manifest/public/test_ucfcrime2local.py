"""UCFCrime2Local: VATIC rows in the published format, and ids shared with UCF-Crime."""

import pytest

from tests.manifest.public.reading import counted, records_of
from wsvad.errors import ManifestError
from wsvad.manifest.public.ucfcrime2local import parse_vatic
from wsvad.manifest.records import Box

CLASSES = ("Arrest", "Assault", "Burglary", "Robbery", "Stealing", "Vandalism")

ROWS = """\
0 10 20 40 60 0 1 0 1 "Arrest"
0 10 20 40 60 1 0 0 0 "Arrest"
0 10 20 40 60 2 0 1 1 "Arrest" "running" "armed"
0 12 20 42 60 3 0 0 1 "Arrest"
1 100 90 140 160 3 0 0 0 "Two men"
0 14 20 44 60 4 0 0 1 "Arrest"
0 14 20 44 60 5 1 0 0 "Arrest"
0 14 20 44 60 9 0 0 0 "Arrest"
"""


_LOST = '0 1 1 2 2 5 1 0 0 "A"\n'


def _lines(text):
    return [(f"x.txt, line {n}", line) for n, line in enumerate(text.splitlines(), start=1)]


def test_vatic_rows_become_boxes_by_track():
    """Lost rows are skipped, a stationary box is merged, labels with spaces and attributes are accepted."""
    assert parse_vatic(_lines(ROWS)) == (
        Box(1, 3, 10, 20, 40, 60, 0),
        Box(3, 4, 12, 20, 42, 60, 0),
        Box(4, 5, 14, 20, 44, 60, 0),
        Box(9, 10, 14, 20, 44, 60, 0),
        Box(3, 4, 100, 90, 140, 160, 1),
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('0 10 20 40 60 1 0 0 "A"', "10 or more columns, got 9"),
        ('0 10 20 40 6x 1 0 0 0 "A"', "ymax must be a whole number, got '6x'"),
        ('0 10 20 10 60 1 0 0 0 "A"', "xmin < xmax"),
        ('0 10 20 40 60 -1 0 0 0 "A"', "frame from 0"),
        ('0 10 20 40 60 1 2 0 0 "A"', "lost 0 or 1"),
        ('0 10 20 40 60 7 0 0 0 "A"\n0 10 20 40 60 7 0 0 0 "A"', "line 2: track 0 has two boxes in frame 7"),
    ],
)
def test_invalid_vatic_rows_are_rejected(row, message):
    """With file and line."""
    with pytest.raises(ManifestError, match=message):
        parse_vatic(_lines(row))


@pytest.fixture
def whole_copy(tmp_path):
    """Write lists and annotation files of 300 videos, in the published format."""
    anomalous = [f"{CLASSES[n % 6]}{n:03}" for n in range(1, 201)]
    normal = [f"Normal_Videos{n:03}" for n in range(1, 101)]
    (tmp_path / "Train_split_AD.txt").write_text("\n".join(anomalous[:140] + normal[:70]))
    (tmp_path / "Test_split_AD.txt").write_text("\n".join(anomalous[140:] + normal[70:]))
    (tmp_path / "bbox").mkdir()
    for name in anomalous:
        (tmp_path / f"bbox/{name}.txt").write_text(ROWS)
    return tmp_path


def test_three_hundred_videos_with_the_ids_of_ucf_crime(whole_copy):
    """200 anomalous and 100 normal; spans are the union over tracks; ids are UCF-Crime's, so leaks are detected."""
    records = records_of("ucfcrime2local", whole_copy)
    assert counted(records) == {("train", 1): 140, ("train", 0): 70, ("test", 1): 60, ("test", 0): 30}
    test = [r for r in records if r.split == "test" and r.label == 1]
    assert all(r.spans == ((1, 5), (9, 10)) and len(r.boxes) == 5 and (r.width, r.height) == (320, 240) for r in test)
    assert {r.video_id for r in test} == {f"{CLASSES[n % 6]}{n:03}_x264.mp4" for n in range(141, 201)}
    assert {r.category for r in records} == {"Normal", *CLASSES}


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: (root / "bbox/Arrest150.txt").unlink(), "Arrest150.txt or Arrest150_x264.txt is not below"),
        (lambda root: (root / "bbox/Arrest150.txt").write_text(_LOST), "Arrest150_x264.mp4 has no row"),
        (lambda root: (root / "Test_split_AD.txt").write_text("Arrest150\n"), "200 anomalous videos in total"),
        (lambda root: (root / "Test_split_AD.txt").write_text("42\n"), "expected a name such as Arrest001"),
    ],
)
def test_incomplete_copies_are_rejected(whole_copy, break_it, message):
    """A missing annotation, one without a box, lists with wrong counts, names without a class."""
    break_it(whole_copy)
    with pytest.raises(ManifestError, match=message):
        records_of("ucfcrime2local", whole_copy)
