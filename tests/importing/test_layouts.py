"""Features of every supported layout are imported value for value."""

from __future__ import annotations

import numpy as np
import pytest

from tests.importing.data import features, manifest, run_import, save, save_crops, save_text
from wsvad.features.reading import FeatureSet
from wsvad.importing import plan


@pytest.mark.parametrize("dtype", ["<f4", "<f2", "<f8", ">f4"])
@pytest.mark.parametrize("layout", ["clips-first", "crops-first", "one-crop", "no-crops", "crop-files"])
def test_values_are_imported(capsys, tmp_path, monkeypatch, layout, dtype):
    """Compared with numpy's rounding; several units per video, each of whole clips."""
    monkeypatch.setattr(plan, "MAX_ROWS", 30)
    crops = 1 if layout in ("one-crop", "no-crops") else 10
    made = {f"v{n}": features(n, crops, seed=n).astype(dtype) for n in (7, 4, 12)}
    saved = {
        "crops-first": {f"{k}_i3d.npy": v.transpose(1, 0, 2).copy() for k, v in made.items()},
        "no-crops": {f"{k}_i3d.npy": v[:, 0] for k, v in made.items()},
    }.get(layout, {f"{k}_i3d.npy": v for k, v in made.items()})
    if layout == "crop-files":
        for name, values in made.items():
            files = save_crops(tmp_path / "in" / name, name, values)
        files = str(tmp_path / "in")
    else:
        files = save(tmp_path / "in", saved)
    # One crop of so few clips could also be read as ten crops of one clip, so the axes must be given.
    words = ("--axes", "clips-first") if layout == "one-crop" else ()
    code, summary = run_import(capsys, files, tmp_path / "out", *words)
    assert (code, summary["videos"], summary["clips"], summary["rows"]) == (0, 3, 23, 23 * crops)
    assert summary["units_to_do"] == (9 if crops == 10 else 3)
    imported = FeatureSet.open(str(tmp_path / "out"))
    assert (imported.video_ids, imported.views, imported.pooled_dim) == (("v12", "v4", "v7"), crops, 6)
    for name, values in made.items():
        read = imported.load(name)
        np.testing.assert_array_equal(read.pooled_TVD, values.astype(np.float16))
        assert read.clip.tolist() == list(range(len(values)))
        assert read.end_frame[-1] == read.num_frames == 16 * len(values)


@pytest.mark.parametrize(
    ("shapes", "axes"),
    [
        ([(7, 10)], "clips-first"),
        ([(10, 7)], "crops-first"),
        ([(7, 1)], "clips-first"),
        ([(5, 5), (6, 5)], "clips-first"),
        ([(10, 10), (10, 3)], "crops-first"),
        ([(5, 10), (3, 10)], "clips-first"),
        ([(10, 10)], None),
        ([(1, 10)], None),
        ([(7, 4)], None),
        ([(7, 10), (10, 7)], None),
        ([(7, 10), (7, 5)], None),
    ],
)
def test_axes_are_detected_only_if_unambiguous(capsys, caplog, tmp_path, shapes, axes):
    """``shapes`` are the lengths of the first two axes of each file; ``None``: --axes is required."""
    rng = np.random.default_rng(0)
    arrays = {f"v{n}.npy": rng.random((*shape, 3)) for n, shape in enumerate(shapes)}
    files = save(tmp_path / "in", arrays)
    code, summary = run_import(capsys, files, tmp_path / "out")
    if axes is None:
        assert code == 2
        assert "set --axes" in caplog.text
        assert "v0.npy" in caplog.text
        if len(shapes) == 1:
            assert run_import(capsys, files, tmp_path / "out", "--axes", "clips-first")[1]["views"] == shapes[0][1]
        return
    crops = 1 if axes == "clips-first" else 0
    assert (code, summary["views"]) == (0, shapes[0][crops])
    read = FeatureSet.open(str(tmp_path / "out")).load("v0").pooled_TVD
    expected = arrays["v0.npy"] if crops else arrays["v0.npy"].transpose(1, 0, 2)
    np.testing.assert_array_equal(read, expected.astype(np.float16))


def test_text_of_segments(capsys, tmp_path):
    """Segment i of n frames is [i n / 32, (i + 1) n / 32) in whole frames; names end with _C."""
    values = {"a": features(32, 1, 12, 1)[:, 0], "b": features(32, 1, 12, 2)[:, 0]}
    for name, rows in values.items():
        files = save_text(tmp_path / "in" / f"{name}_x264_C.txt", rows)
    listed = manifest(tmp_path / "m.csv", {"a_x264.mp4": 1000, "b_x264.mp4": 32, "c_x264.mp4": 5})
    words = ("--manifest", listed, "--id-suffix", ".mp4")
    code, summary = run_import(capsys, files, tmp_path / "out", *words)
    assert (code, summary["clips"], summary["layout"], summary["without_features"]) == (0, 64, "segments-text", 1)
    there = FeatureSet.open(str(tmp_path / "out"))
    read = there.load("a_x264.mp4")
    np.testing.assert_array_equal(read.pooled_TVD[:, 0], np.round(values["a"], 6).astype(np.float16))
    edges = [1000 * i // 32 for i in range(33)]
    assert read.start_frame.tolist() == edges[:-1]
    assert read.end_frame.tolist() == edges[1:]
    assert there.load("b_x264.mp4").end_frame.tolist() == list(range(1, 33))
    assert there.config["clips"] == {"segments": 32}


@pytest.mark.parametrize(
    ("names", "more", "ids"),
    [
        (["Abuse/Abuse001_x264_i3d.npy"], ["--id-suffix", ".mp4"], ["Abuse001_x264.mp4"]),
        (["Abuse001_x264.mp4.npy"], ["--id-suffix", ".mp4"], ["Abuse001_x264.mp4"]),
        (["01_002_i3d.npy"], [], ["01_002"]),
        (["a_i3d.npy", "._a_i3d.npy", "notes.md"], [], ["a"]),
        (["a_i3d.npy"], ["--strip", "_feat"], ["a_i3d"]),
        (["a_feat.npy", "b_rgb.npy"], ["--strip", "_feat", "--strip=_rgb", "--id-prefix", "x/"], ["x/a", "x/b"]),
        (["A.B.2001__#00-01-45_00-02-50_label_A__0.npy"], [], ["A.B.2001__#00-01-45_00-02-50_label_A"]),
        (["cam__1.npy", "cam__0.npy"], ["--layout", "npy"], ["cam__0", "cam__1"]),
    ],
)
def test_video_ids_of_file_names(capsys, tmp_path, names, more, ids):
    """Without folders, extension, crop number and known suffixes."""
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.save(file, np.ones((3, 4), np.float32))
    assert run_import(capsys, str(tmp_path / "in"), tmp_path / "out", *more)[0] == 0
    assert list(FeatureSet.open(str(tmp_path / "out")).video_ids) == ids


def test_a_single_file(capsys, tmp_path):
    """--files may name a file."""
    save(tmp_path, {"a.npy": np.ones((3, 4))})
    assert run_import(capsys, str(tmp_path / "a.npy"), tmp_path / "out")[1]["videos"] == 1


def test_links_out_of_the_folder(capsys, tmp_path):
    """Data sets are often folders of links; those that lead out of the folder need --follow-links."""
    save(tmp_path / "in", {"a.npy": np.ones((3, 4))})
    save(tmp_path / "elsewhere", {"b.npy": np.ones((3, 4))})
    (tmp_path / "in" / "b.npy").symlink_to(tmp_path / "elsewhere" / "b.npy")
    assert run_import(capsys, str(tmp_path / "in"), tmp_path / "out")[1]["videos"] == 1
    assert run_import(capsys, str(tmp_path / "in"), tmp_path / "out", "--follow-links")[1]["videos"] == 2


@pytest.mark.parametrize(
    ("frames", "words", "last_end"),
    [
        (None, (), 80),
        (None, ("--clip-length", "32", "--clip-stride", "8"), 64),
        (80, (), 80),
        (65, (), 65),
        (95, (), 80),
        (111, (), 80),
        (112, (), None),
        (64, (), None),
        (64, ("--clip-stride", "12"), 64),
    ],
)
def test_lengths(capsys, caplog, tmp_path, frames, words, last_end):
    """Five clips of a video, with and without a known number of frames; a derived number is marked."""
    files = save(tmp_path / "in", {"a.npy": features(5, 1)[:, 0]})
    listed = manifest(tmp_path / "m.csv", {"a": frames})
    code, summary = run_import(capsys, files, tmp_path / "out", "--manifest", listed, "--fps", "10", *words)
    if last_end is None:
        assert code == 2
        assert f"a.npy: 5 clips, but the manifest's {frames} frames give" in caplog.text
        return
    assert (code, summary["videos_assumed_length"]) == (0, int(frames is None))
    there = FeatureSet.open(str(tmp_path / "out"))
    read, row = there.load("a"), there.videos["a"]
    assert (read.num_frames, read.end_frame[-1], read.end_s[-1]) == (frames or last_end, last_end, last_end / 10)
    assert (row["kind"], row["duration_s"]) == (None if frames else "assumed_frames", (frames or last_end) / 10)
