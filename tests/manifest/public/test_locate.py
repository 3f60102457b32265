"""Videos are located in any folder structure below the root, and missing ones are reported."""

import json
from collections import Counter

import pytest

from wsvad.cli.main import main
from wsvad.errors import ManifestError
from wsvad.manifest.listing import list_videos
from wsvad.manifest.public.build import ManifestConfig, build
from wsvad.manifest.public.folder import Folder, stem
from wsvad.manifest.public.locate import locate
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.storage import StoreOptions, open_store


def _put(root, *names, size=1):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def _found(root, *names, out="/elsewhere/m.csv", **options):
    records = [VideoRecord(n.rsplit("/")[-1], n) for n in names]
    options.setdefault("allow_missing", False)
    return locate(records, Folder(str(root)), out, **options)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Abuse/Abuse001_x264.mp4", "Abuse001_x264"),
        ("01_0014", "01_0014"),
        ("Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6", "Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6"),
        ("v=a.b__#1_label_A.MP4", "v=a.b__#1_label_A"),
    ],
)
def test_only_video_extensions_are_removed_from_a_stem(name, expected):
    """Names may contain other dots."""
    assert stem(name) == expected


def test_videos_are_located_by_name_alone(tmp_path):
    """With commas, spaces and dots in names, in other folders, and .avi for a name without extension."""
    _put(tmp_path, "part 1/Abuse/Abuse001_x264.mp4", "flat, too/a,b c.d_label_A.mkv", "x/01_0014.avi", "x/01_0014.txt")
    found = _found(tmp_path, "Abuse/Abuse001_x264.mp4", "a,b c.d_label_A.mp4", "01_0014")
    assert [r.uri for r in found.records] == [
        f"{tmp_path}/part 1/Abuse/Abuse001_x264.mp4",
        f"{tmp_path}/flat, too/a,b c.d_label_A.mkv",
        f"{tmp_path}/x/01_0014.avi",
    ]


def test_the_published_path_is_preferred_and_copies_of_one_size_are_equal(tmp_path):
    """UCF-Crime's archive contains fifty normal videos twice; files of different sizes are an error."""
    _put(tmp_path, "event/N1_x264.mp4", "Testing/N1_x264.mp4")
    _put(tmp_path, "event/N2_x264.mp4", "Testing/N2_x264.mp4", size=2)
    _put(tmp_path, "Testing/N2_x264.mp4", size=3)
    found = _found(tmp_path, "Testing/N1_x264.mp4", "Testing/N2_x264.mp4")
    assert [r.uri for r in found.records] == [f"{tmp_path}/Testing/N{n}_x264.mp4" for n in (1, 2)]
    with pytest.raises(ManifestError, match=r"N2_x264\.mp4 exists more than once, with different sizes"):
        _found(tmp_path, "Other/N2_x264.mp4")


def test_missing_videos_are_an_error_or_left_out(tmp_path):
    """Some of the videos exist; none of them, so published names are kept; folders of frames give a hint."""
    _put(tmp_path, "a.mp4", "frames/01_0014/000.jpg", "notes.txt")
    with pytest.raises(ManifestError, match=r"2 of 3 videos are not below .*, e\.g\. x/b\.mp4, c\.mp4; complete"):
        _found(tmp_path, "a.mp4", "x/b.mp4", "c.mp4")
    left = _found(tmp_path, "a.mp4", "x/b.mp4", "c.mp4", allow_missing=True)
    assert ([r.video_id for r in left.records], left.found, left.missing) == (["a.mp4"], 1, ("b.mp4", "c.mp4"))
    with pytest.raises(ManifestError, match="01_0014 is a folder of single frames"):
        _found(tmp_path, "a.mp4", "01_0014")
    none = _found(tmp_path, "x/b.mp4", "c.mp4")
    assert ([r.uri for r in none.records], none.found) == (["x/b.mp4", "c.mp4"], 0)


def _copy_with_videos(published, root):
    """Copy SurvFight's spatial track with a one-byte file for every video."""
    for path in (published / "survfight/spatial").iterdir():
        (root / path.name).write_bytes(path.read_bytes())
    names = [line.split(",")[0] for line in (root / "videos.csv").read_text().splitlines()[1:]]
    _put(root, *(f"videos/{name}" for name in names))
    return names


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_command_writes_a_manifest_for_extraction(published, tmp_path, capsys, kind):
    """The listing of extraction has the same ids; a second run changes nothing."""
    names = _copy_with_videos(published, tmp_path)
    out = str(tmp_path / f"m.{kind}")
    words = ["manifest", "survfight-spatial", "--root", str(tmp_path), "--out", out, "--val-fraction", "0.2", "--json"]
    assert main(words) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["videos"], summary["found"], summary["missing"]) == (92, 92, 0)
    assert summary["splits"]["test"] == {"normal": 16, "anomalous": 16, "anomalous_frames": 2054, "boxes": 19}
    assert summary["splits"]["val"] == {"normal": 6, "anomalous": 6, "anomalous_frames": None, "boxes": None}
    assert json.loads((tmp_path / f"m.{kind}.json").read_text())["config"]["val_fraction"] == 0.2
    records = read_records(out)
    assert Counter(r.split for r in records) == {"train": 48, "val": 12, "test": 32}
    assert {r.uri for r in records} == {f"videos/{name}" for name in names}
    assert {v.video_id for v in list_videos(out).videos} == set(names)
    assert main(words) == 0
    assert main([*words, "--seed", "1"]) == 5
    assert read_records(out) == records
    assert main([*words, "--seed", "1", "--overwrite"]) == 0
    assert read_records(out) != records


def test_the_command_prints_a_table_and_rejects_unknown_names(published, tmp_path, capsys):
    """Exit code 2 for wrong names, missing options and missing files."""
    out = str(tmp_path / "m.csv")
    root = str(published / "shanghaitech")
    assert main(["manifest", "shanghaitech", "--root", root, "--out", out]) == 0
    shown = capsys.readouterr()
    assert "437 videos" in shown.out
    assert "not known" in shown.out
    assert "only their published names" in shown.err
    assert main(["manifest", "ucf-crime", "--root", root, "--out", out]) == 2
    assert "Anomaly_Train.txt is not below" in capsys.readouterr().err
    assert main(["manifest", "shanghaitech", "--root", root, "--out", str(tmp_path / "m.txt")]) == 2
    assert main(["manifest", "shanghaitech", "--out", out]) == 2
    with pytest.raises(SystemExit, match="2"):
        main(["manifest", "unknown", "--root", root, "--out", out])


def test_object_storage_works_like_a_folder(published, s3_bucket, moto_server):
    """Videos and annotation files on S3, the manifest in the same bucket and elsewhere."""
    options = StoreOptions(endpoint_url=moto_server.url)
    store = open_store(f"s3://{s3_bucket}/data", options)
    for path in (published / "survfight/spatial").iterdir():
        store.create(f"notes/{path.name}", path.read_bytes())
    for name in ("s_dev_test_001.mp4", "s_dev_train_001.mp4"):
        store.create(f"videos/{name}", name.encode())
    config = ManifestConfig("survfight-spatial", f"s3://{s3_bucket}/data", allow_missing=True)
    beside = build(config, f"s3://{s3_bucket}/data/m.csv", options).records
    assert sorted(r.uri for r in beside) == ["videos/s_dev_test_001.mp4", "videos/s_dev_train_001.mp4"]
    elsewhere = build(config, f"s3://{s3_bucket}/other/m.csv", options).records
    assert sorted(r.uri for r in elsewhere)[0] == f"s3://{s3_bucket}/data/videos/s_dev_test_001.mp4"
