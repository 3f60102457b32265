"""Unusable input is rejected with what was expected, and nothing is published."""

from __future__ import annotations

import io

import numpy as np
import pytest

from tests.importing.data import features, manifest, run_import, save, save_crops, save_text
from wsvad.storage import open_store


def _npy(array: np.ndarray, **more: bool) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **more)
    return stream.getvalue()


GOOD = _npy(features(4))
_VALUES = features(4)


def _with(value: float) -> bytes:
    values = _VALUES.copy()
    values[2, 7, 3] = value
    return _npy(values)


def _forged(header: str) -> bytes:
    """Return a file whose header does not match its content."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected an .npy file, got 0 bytes"),
        (b"PK\x03\x04" + bytes(100), "expected an .npy file"),
        (GOOD[:-1], "truncated: expected 1088 bytes for float32 [4, 10, 6], got 1087"),
        (GOOD[:40], "expected an .npy file, got 40 bytes"),
        (GOOD + b"x", "longer than its array"),
        (_npy(np.array([{"a": 1}], object), allow_pickle=True), "expected floats of 16, 32 or 64 bits, got values of"),
        (_npy(np.ones((3, 2), np.int64)), "values of type int64"),
        (_npy(np.ones((3, 2), np.complex64)), "values of type complex64"),
        (_npy(np.ones((3, 2), [("a", "<f4")])), "expected floats"),
        (_npy(np.ones(3)), "expected an array [T, D], [T, crops, D] or [crops, T, D], got shape [3]"),
        (_npy(np.ones((1, 2, 3, 4))), "shape [1, 2, 3, 4]"),
        (_npy(np.ones((0, 10, 6))), "expected at least one clip, crop and value"),
        (_npy(np.asfortranarray(np.ones((3, 2)))), "Fortran order"),
        (_forged("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 10, 6)}"), "expected at most"),
        (_forged("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 10, -6)}"), "expected at least one"),
        (_forged("{'descr': '|O', 'fortran_order': False, 'shape': (4,)}"), "expected floats"),
        (_forged("__import__('os').getcwd()"), "expected an .npy file"),
        (_npy(features(4, dim=5)), "expected 10 crops of 6 values as in"),
        (_npy(features(4, 5)), "set --axes"),
        (_npy(features(4, 1)[:, 0]), "expected 10 crops of 6 values as in"),
        (_with(np.nan), "got nan in clip 2, crop 7, value 3"),
        (_with(-np.inf), "got -inf in clip 2"),
        (_with(65505), "expected finite values of at most 65504 in magnitude, got 65505.0 in clip 2"),
    ],
)
def test_invalid_arrays_are_rejected(capsys, caplog, tmp_path, data, message):
    """Next to a valid file; the message contains the name of the invalid one."""
    save(tmp_path / "in", {"a_good.npy": features(6)})
    (tmp_path / "in" / "bad.npy").write_bytes(data)
    code, _ = run_import(capsys, str(tmp_path / "in"), tmp_path / "out")
    assert code == 2
    assert message in caplog.text
    assert "bad.npy" in caplog.text
    assert not list(open_store(str(tmp_path / "out")).list("snapshots/"))


def test_the_largest_float16_is_accepted(capsys, tmp_path):
    """65,504 is the largest value."""
    (tmp_path / "a.npy").write_bytes(_with(65504))
    assert run_import(capsys, str(tmp_path / "a.npy"), tmp_path / "out")[0] == 0


def _crops_missing(folder):
    save_crops(folder, "v", features(4))
    (folder / "v__3.npy").unlink()
    return "no file of crop 3; expected crops 0 to 9"


def _crops_of_other_lengths(folder):
    save_crops(folder, "v", features(4))
    save(folder, {"v__3.npy": features(5)[:, 3]})
    return "the crops of a video must have the same shape: [4, 6] in"


def _crops_of_other_counts(folder):
    save_crops(folder, "v", features(4))
    save_crops(folder, "w", features(4, 5))
    return "expected 10 crops of 6 values as in"


def _crops_within_crops(folder):
    save(folder, {"v__0.npy": features(4), "v__1.npy": features(4)})
    return "expected an array [T, D] in the file of a crop"


def _one_id_twice(folder):
    save(folder, {"a/v_i3d.npy": features(4), "b/v.npy": features(4)})
    return "v.npy both have features of 'v'"


def _unsafe_id(folder):
    save(folder, {"a\\b.npy": features(4)})
    return "invalid id 'a\\\\b': it has a backslash"


def _several_layouts(folder):
    save_crops(folder, "v", features(4))
    save(folder, {"w.npy": features(4)})
    return "files of several layouts (npy-crops: 10, such as v__0.npy; npy: 1, such as w.npy)"


def _nothing(folder):
    folder.mkdir()
    (folder / "list.csv").write_text("")
    return "no feature file (.npy, .txt) found"


def _text_without_manifest(folder):
    save_text(folder / "v.txt", features(32, 1)[:, 0])
    return "v.txt: 32 segments need a manifest"


@pytest.mark.parametrize(
    "spoil",
    [
        _crops_missing,
        _crops_of_other_lengths,
        _crops_of_other_counts,
        _crops_within_crops,
        _one_id_twice,
        _unsafe_id,
        _several_layouts,
        _nothing,
        _text_without_manifest,
    ],
)
def test_invalid_sets_of_files_are_rejected(capsys, caplog, tmp_path, spoil):
    """Before anything is written or the target is created."""
    message = spoil(tmp_path / "in")
    assert run_import(capsys, str(tmp_path / "in"), tmp_path / "out")[0] == 2
    assert message in caplog.text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n" * 31, "expected 32 lines of numbers, got 31"),
        ("1 2 3\n" * 33, "expected 32 lines of numbers, got 33"),
        ("1 2 3\n" * 30 + "1 2\n1 2 3\n", "line 31: expected 3 numbers as in line 1"),
        ("1 2 3\n" * 31 + "1 x 3\n", "line 32: expected numbers"),
        ("1 2 3\n" * 31 + "1 nan 3\n", "got nan in clip 31"),
        ("1 2 3\n" * 31 + "1 1e9 3\n", "got 1000000000.0 in clip 31"),
        ("1 2 3 4\n" * 32, "expected lines of 3 numbers, got 4"),
        ("", "expected a text file of 1 to"),
        ("\ufeff1 2 3\n" * 32, "line 1: expected numbers"),
    ],
)
def test_invalid_text_files_are_rejected(capsys, caplog, tmp_path, text, message):
    """The message contains the file and the line."""
    save_text(tmp_path / "in" / "a.txt", np.ones((32, 3)))
    (tmp_path / "in" / "v.txt").write_text(text, encoding="utf-8")
    listed = manifest(tmp_path / "m.csv", {"a": 100, "v": 100})
    assert run_import(capsys, str(tmp_path / "in"), tmp_path / "out", "--manifest", listed)[0] == 2
    assert message in caplog.text
    assert "v.txt" in caplog.text
    assert not list(open_store(str(tmp_path / "out")).list("snapshots/"))


def test_ids_missing_from_the_manifest(capsys, caplog, tmp_path):
    """They are rejected with an example of the manifest's ids, or left out if allowed, unless nothing is left."""
    files = save(tmp_path / "in", {"a.npy": features(4), "b.npy": features(4)})
    listed = manifest(tmp_path / "m.csv", {"a.mp4": 64, "c.mp4": 64})
    words = ("--manifest", listed, "--allow-unmatched")
    assert run_import(capsys, files, tmp_path / "out", *words)[0] == 2
    assert "2 of 2 feature files have ids that are not in the manifest: 'a', 'b'; an id of the manifest is 'a.mp4'" in (
        caplog.text
    )
    assert run_import(capsys, files, tmp_path / "out", *words[:2], "--id-suffix", ".mp4")[0] == 2
    assert "not in the manifest: 'b.mp4'" in caplog.text
    code, summary = run_import(capsys, files, tmp_path / "out", *words, "--id-suffix", ".mp4")
    assert (code, summary["videos"], summary["unmatched"], summary["without_features"]) == (0, 1, 1, 1)


@pytest.mark.parametrize("source", ["", " x", "a\nb"])
def test_source_must_be_a_line_of_text(capsys, caplog, tmp_path, source):
    """It documents the origin of the features."""
    files = save(tmp_path / "in", {"a.npy": features(4)})
    assert run_import(capsys, files, tmp_path / "out", "--source", source)[0] == 2
    assert "--source" in caplog.text
