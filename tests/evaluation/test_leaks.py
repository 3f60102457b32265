"""Training videos are refused, under whichever name they come."""

from __future__ import annotations

import pytest

from tests.evaluation.making import record
from wsvad.errors import UsageError
from wsvad.evaluation.leaks import refuse_leaks, shared_names, stem


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
def test_stems_by_hand(name: str, expected: str) -> None:
    """Folders, case, extension and the endings of UCF-Crime's files do not tell videos apart."""
    assert stem(name) == expected


def test_the_same_id_is_refused_whatever_the_user_says() -> None:
    """There is no way around it but to evaluate the training split as such."""
    records = [record("a.mp4"), record("b.mp4")]
    with pytest.raises(UsageError, match=r"1 of the 2 videos to evaluate were trained on: b\.mp4"):
        refuse_leaks(["b.mp4", "c.mp4"], records, records, names_are_distinct=True)


def test_ucfcrime2local_is_refused_for_a_ucf_crime_checkpoint() -> None:
    """Its test videos are UCF-Crime's training videos in another folder and under another extension."""
    trained = ["Arson/Arson009_x264.mp4", "Training_Normal/Normal_Videos001_x264.mp4"]
    records = [record("Arson009_x264.avi", label=1), record("Normal_Videos_940.mp4", label=0)]
    with pytest.raises(UsageError, match=r"'Arson009_x264\.avi' = 'Arson/Arson009_x264\.mp4'.*UCFCrime2Local"):
        refuse_leaks(trained, records, records)


def test_equal_file_names_pass_on_the_users_word_and_are_listed() -> None:
    """Cameras number their files alike."""
    records = [record("cam2/0001.mp4"), record("cam2/0003.mp4")]
    trained = ["cam1/0001.mp4", "cam1/0002.mp4"]
    with pytest.raises(UsageError, match="--distinct-names"):
        refuse_leaks(trained, records, records)
    assert refuse_leaks(trained, records, records, names_are_distinct=True) == [("cam2/0001.mp4", "cam1/0001.mp4")]


def test_one_uri_under_two_ids_is_one_video() -> None:
    """The manifest itself says so."""
    test, train = record("new", uri="/v/1.mp4"), record("old", uri="/v/1.mp4", split="train")
    assert shared_names(["old"], [test], [test, train]) == [("new", "old")]


def test_honest_tests_pass() -> None:
    """Nothing in common, nothing said."""
    records = [record("Abuse028_x264.mp4"), record("Test001.mp4")]
    assert refuse_leaks(["Abuse001_x264.mp4", "Train001.mp4"], records, records) == []
