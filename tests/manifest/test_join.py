"""Manifests of several sources as one."""

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
    """Two manifests in folders of their own, with relative URIs, and one id that both have."""
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


def test_videos_keep_all_that_is_known_of_them(sources, tmp_path):
    """URIs are absolute, splits are those asked for, and how a video is read goes along."""
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


def test_ids_that_two_sources_share(sources):
    """Refused, with the remedy; prefixes tell them apart."""
    ucf, xd = sources
    parts = [Part.of("train", ucf), Part.of("test", f"all:{xd}")]
    with pytest.raises(ManifestError, match=r"two videos have the id 'a.mp4'.*--prefix-ids"):
        join(parts)
    assert [r.video_id for r in join(parts, prefix_ids=True)] == ["ucf/a.mp4", "ucf/b.mp4", "xd/a.mp4", "xd/d.mp4"]


def test_what_cannot_be_joined(sources, tmp_path):
    """No such videos, a file in two splits, nothing at all."""
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
def test_one_file_is_one_file_however_it_is_spelled(uri, stream, sources, tmp_path):
    """A training video in the test split is refused; another stream of a file with several is not."""
    ucf, _ = sources
    (tmp_path / "ucf/videos").mkdir()
    (tmp_path / "ucf/linked").symlink_to("videos")
    spelled = VideoRecord("z", uri.format(folder=tmp_path / "ucf"), label=1, split="test", stream=stream)
    other = _manifest(tmp_path / "ucf", "more.csv", spelled)
    with pytest.raises(ManifestError, match=r"twice, in train and test, as 'a\.mp4' and 'z'"):
        join([Part.of("train", ucf), Part.of("test", other)])
    streams = [VideoRecord(f"s{n}", "s.mkv", label=0, split="train", stream=n) for n in range(2)]
    assert len(join([Part.of("train", _manifest(tmp_path, "streams.csv", *streams))])) == 2


def test_prefixes_that_do_not_help_are_not_the_remedy(sources, tmp_path):
    """Two manifests of one name give one prefix; a manifest that is named twice has the same files."""
    ucf, _ = sources
    other = _manifest(tmp_path / "else", "ucf.csv", VideoRecord("a.mp4", "a.mp4", label=1, split="test"))
    with pytest.raises(ManifestError, match=r"two videos have the id 'ucf/a\.mp4'.*manifests have one name"):
        join([Part.of("train", ucf), Part.of("test", other)], prefix_ids=True)
    with pytest.raises(ManifestError, match=r"a\.mp4 is there twice, in train and test"):
        join([Part.of("train", ucf), Part.of("test", f"train:{ucf}")])


def test_a_manifest_without_them_has_no_columns_of_reading(tmp_path):
    """The bytes of before."""
    records = [VideoRecord("a", "a.mp4", label=0)]
    assert encode_records(records, suffix=".csv").splitlines()[0].decode().endswith(",spans,boxes")
    write_records(str(tmp_path / "m.parquet"), records)
    assert read_records(str(tmp_path / "m.parquet")) == records


def test_the_verb_joins_what_it_is_told(sources, tmp_path, capsys):
    """``wsvad manifest join``: several manifests of one split, a table, and nothing overwritten in silence."""
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
    ("words", "said"),
    [
        (("join", "--root", "x"), "manifest join does not support --root"),
        (("join", "--train", "x.csv", "--val-fraction", "0.1"), "manifest join does not support --val-fraction"),
        (("ucf-crime", "--root", "x", "--test", "x.csv"), "manifest ucf-crime does not support --test"),
        (("join", "--train", "x.csv"), "missing option: --out"),
        (("join", "--out", "m.csv"), "nothing to join: name manifests with --train, --val or --test"),
    ],
)
def test_options_of_the_other_kind_are_refused(words, said, capsys):
    """Exit code 2, and what is wrong."""
    assert main(["manifest", *words]) == 2
    assert said in capsys.readouterr().err
