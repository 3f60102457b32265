"""Joining manifests of several sources."""

from __future__ import annotations

import json

import pytest

from wsvad.cli import main
from wsvad.errors import ManifestError, UsageError
from wsvad.manifest.join import Part, join, summary_of
from wsvad.manifest.records import VideoRecord, decode_records, encode_records, read_records, write_records


def _manifest(folder, name, *records):
    folder.mkdir(exist_ok=True)
    write_records(str(folder / name), list(records))
    return str(folder / name)


@pytest.fixture
def sources(tmp_path):
    """Write two manifests in separate folders, with relative URIs, and one id that occurs in both."""
    ucf = _manifest(
        tmp_path / "ucf",
        "ucf.csv",
        VideoRecord("a.mp4", "videos/a.mp4", label=1, split="train", spans=((0, 8),)),
        VideoRecord("b.mp4", "videos/b.mp4", label=0, split="train"),
        VideoRecord("c.mp4", "s3://bucket/c.mp4", label=1, split="test", stream=1, frame_rate=12.5),
    )
    xd = _manifest(
        tmp_path / "xd",
        "xd.parquet",
        VideoRecord("a.mp4", "videos/a.mp4", label=1, split="test"),
        VideoRecord("d.mp4", "/archive/d.mp4", label=0),
    )
    return ucf, xd


def test_joined_records_keep_all_fields(sources, tmp_path):
    """URIs are absolute, splits are as requested, and decoder settings are kept."""
    ucf, _ = sources
    parts = [Part.of("train", ucf), Part.of("val", f"test:{ucf}")]
    records = join(parts)
    assert [(r.video_id, r.split, r.uri) for r in records] == [
        ("a.mp4", "train", str(tmp_path / "ucf/videos/a.mp4")),
        ("b.mp4", "train", str(tmp_path / "ucf/videos/b.mp4")),
        ("c.mp4", "val", "s3://bucket/c.mp4"),
    ]
    assert records[0].spans == ((0, 8),)
    for suffix in (".csv", ".parquet"):
        again = decode_records(encode_records(records, suffix=suffix), name="joined")
        assert again == records
        assert (again[2].stream, again[2].frame_rate) == (1, 12.5)
    assert summary_of(parts, records, prefix_ids=False)["splits"]["train"]["normal"] == 1


def test_ids_shared_by_two_sources(sources):
    """They are rejected with a hint; prefixes make them unique."""
    ucf, xd = sources
    parts = [Part.of("train", ucf), Part.of("test", f"all:{xd}")]
    with pytest.raises(ManifestError, match=r"two videos have the id 'a.mp4'.*--prefix-ids"):
        join(parts)
    assert [r.video_id for r in join(parts, prefix_ids=True)] == ["ucf/a.mp4", "ucf/b.mp4", "xd/a.mp4", "xd/d.mp4"]


def test_invalid_joins_are_rejected(sources, tmp_path):
    """No videos of the split, a file in two splits, no parts."""
    ucf, xd = sources
    with pytest.raises(UsageError, match=r"no video of split 'train' \(test: 1, no split: 1\).*--train test:.*all:"):
        join([Part.of("train", xd)])
    same = _manifest(tmp_path / "ucf", "more.csv", VideoRecord("z", "videos/b.mp4", label=0, split="val"))
    with pytest.raises(ManifestError, match=r"twice, in train and val, as 'b\.mp4' and 'z'"):
        join([Part.of("train", ucf), Part.of("val", same)])
    with pytest.raises(UsageError, match="nothing to join"):
        join([])
    assert Part.of("val", "s3://bucket/x.csv") == Part("s3://bucket/x.csv", "val", "val")
    assert Part.of("val", "all:s3://bucket/x.csv") == Part("s3://bucket/x.csv", "val", "all")


@pytest.mark.parametrize(
    ("uri", "stream"),
    [
        ("{folder}/videos/a.mp4", None),
        ("file://{folder}/videos/a.mp4", None),
        ("file://{folder}/videos/%61.mp4", None),
        ("../ucf/videos/./a.mp4", None),
        ("linked/a.mp4", None),
        ("videos/a.mp4", 0),
    ],
)
def test_a_file_is_recognised_in_any_spelling_of_its_uri(uri, stream, sources, tmp_path):
    """A training video in the test split is rejected; another stream of the same file is not."""
    ucf, _ = sources
    (tmp_path / "ucf/videos").mkdir()
    (tmp_path / "ucf/linked").symlink_to("videos")
    spelled = VideoRecord("z", uri.format(folder=tmp_path / "ucf"), label=1, split="test", stream=stream)
    other = _manifest(tmp_path / "ucf", "more.csv", spelled)
    with pytest.raises(ManifestError, match=r"twice, in train and test, as 'a\.mp4' and 'z'"):
        join([Part.of("train", ucf), Part.of("test", other)])
    streams = [VideoRecord(f"s{n}", "s.mkv", label=0, split="train", stream=n) for n in range(2)]
    assert len(join([Part.of("train", _manifest(tmp_path, "streams.csv", *streams))])) == 2


def test_prefixes_are_not_suggested_if_they_do_not_help(sources, tmp_path):
    """Two manifests with the same name have the same prefix; a manifest that is given twice has the same files."""
    ucf, _ = sources
    other = _manifest(tmp_path / "else", "ucf.csv", VideoRecord("a.mp4", "a.mp4", label=1, split="test"))
    with pytest.raises(ManifestError, match=r"two videos have the id 'ucf/a\.mp4'.*manifests have the same name"):
        join([Part.of("train", ucf), Part.of("test", other)], prefix_ids=True)
    with pytest.raises(ManifestError, match=r"a\.mp4 occurs twice, in train and test"):
        join([Part.of("train", ucf), Part.of("test", f"train:{ucf}")])


def test_a_manifest_without_decoder_settings_has_no_columns_for_them(tmp_path):
    """So its bytes are those of earlier versions."""
    records = [VideoRecord("a", "a.mp4", label=0)]
    assert encode_records(records, suffix=".csv").splitlines()[0].decode().endswith(",spans,boxes")
    write_records(str(tmp_path / "m.parquet"), records)
    assert read_records(str(tmp_path / "m.parquet")) == records


def test_the_command_joins_manifests(sources, tmp_path, capsys):
    """``wsvad manifest join``: several manifests of one split, a table, and no overwriting without an option."""
    ucf, xd = sources
    out = str(tmp_path / "all.csv")
    words = ["manifest", "join", "--train", ucf, "--test", f"all:{xd}", "--prefix-ids", "--out", out]
    assert main([*words, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["videos"], summary["prefix_ids"], summary["out"]) == (4, True, out)
    assert [r.video_id for r in read_records(out)] == ["ucf/a.mp4", "ucf/b.mp4", "xd/a.mp4", "xd/d.mp4"]
    assert main(words) == 0
    assert "4 videos" in capsys.readouterr().out
    assert main([*words, "--val", f"test:{ucf}"]) == 5
    assert main([*words, "--val", f"test:{ucf}", "--overwrite"]) == 0
    assert main(["manifest", "join", "--train", ucf, "--out", ucf, "--overwrite"]) == 2
    assert len(read_records(ucf)) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("join", "--root", "x"), "manifest join does not support --root"),
        (("join", "--train", "x.csv", "--val-fraction", "0.1"), "manifest join does not support --val-fraction"),
        (("ucf-crime", "--root", "x", "--test", "x.csv"), "manifest ucf-crime does not support --test"),
        (("join", "--train", "x.csv"), "missing option: --out"),
        (("join", "--out", "m.csv"), "nothing to join; add manifests with --train, --val or --test"),
    ],
)
def test_options_of_the_other_kind_of_manifest_are_rejected(words, message, capsys):
    """Exit code 2, with a message."""
    assert main(["manifest", *words]) == 2
    assert message in capsys.readouterr().err
