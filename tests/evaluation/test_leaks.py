"""Training videos are rejected, also with other ids."""

from __future__ import annotations

import pytest

from tests.evaluation.data import record
from wsvad.errors import UsageError
from wsvad.evaluation.leaks import check_leaks, shared_names, stem


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Arson/Arson009_x264.mp4", "arson009"),
        ("arson009.avi", "arson009"),
        ("ARSON009", "arson009"),
        ("a/b.c/v_1.0.mp4", "v_1.0"),
        ("01_0014.avi", "01_0014"),
        ("s3://bucket/x/Robbery102_x264.mp4", "robbery102"),
        ("Robbery102_x264_i3d.npy", "robbery102_x264"),
        (".mp4", ".mp4"),
    ],
)
def test_stems(name: str, expected: str) -> None:
    """Folders, case, extension and the suffixes of UCF-Crime's files are ignored."""
    assert stem(name) == expected


def test_the_same_id_is_always_rejected() -> None:
    """Training videos can only be evaluated with --split train."""
    records = [record("a.mp4"), record("b.mp4")]
    with pytest.raises(UsageError, match=r"1 of the 2 videos to evaluate were used in training: b\.mp4"):
        check_leaks(["b.mp4", "c.mp4"], records, records, names_are_distinct=True)


def test_ucfcrime2local_is_rejected_for_a_ucf_crime_checkpoint() -> None:
    """Its test videos are UCF-Crime's training videos in another folder and with another extension."""
    trained = ["Arson/Arson009_x264.mp4", "Training_Normal/Normal_Videos001_x264.mp4"]
    records = [record("Arson009_x264.avi", label=1), record("Normal_Videos_940.mp4", label=0)]
    with pytest.raises(UsageError, match=r"'Arson009_x264\.avi' = 'Arson/Arson009_x264\.mp4'.*UCFCrime2Local"):
        check_leaks(trained, records, records)


def test_equal_file_names_are_accepted_with_an_option_and_listed() -> None:
    """Different cameras may use the same file names."""
    records = [record("cam2/0001.mp4"), record("cam2/0003.mp4")]
    trained = ["cam1/0001.mp4", "cam1/0002.mp4"]
    with pytest.raises(UsageError, match="--distinct-names"):
        check_leaks(trained, records, records)
    assert check_leaks(trained, records, records, names_are_distinct=True) == [("cam2/0001.mp4", "cam1/0001.mp4")]


def test_one_uri_with_two_ids_is_one_video() -> None:
    """The manifest has the same URI for both."""
    test, train = record("new", uri="/v/1.mp4"), record("old", uri="/v/1.mp4", split="train")
    assert shared_names(["old"], [test], [test, train]) == [("new", "old")]


def test_disjoint_videos_are_accepted() -> None:
    """No pairs are returned."""
    records = [record("Abuse028_x264.mp4"), record("Test001.mp4")]
    assert check_leaks(["Abuse001_x264.mp4", "Train001.mp4"], records, records) == []
