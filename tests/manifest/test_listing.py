"""Listings of files, folders and manifests, local and S3."""

import os
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wsvad.errors import ManifestError, UsageError
from wsvad.manifest.listing import VIDEO_EXTENSIONS, list_videos, resolve_uri
from wsvad.storage import StoreOptions, open_store
from wsvad.text import printable


def _touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" + name.encode())


def test_a_folder_is_listed_recursively_and_other_files_are_skipped_with_a_reason(tmp_path):
    """Ids are keys below the root, sorted; hidden and other files are reported."""
    _touch(tmp_path, "b.mp4", "sub/a.MKV", "notes.txt", "README", ".hidden.mp4", "sub/.cache/c.mp4")
    found = list_videos(str(tmp_path))
    assert [v.video_id for v in found.videos] == ["b.mp4", "sub/a.MKV"]
    reasons = {s.uri.rsplit("/", 1)[-1]: s.reason for s in found.skipped}
    assert reasons == {
        "notes.txt": "not a video file name (.txt)",
        "README": "not a video file name (no extension)",
        ".hidden.mp4": "hidden",
        "c.mp4": "hidden",
    }


def test_one_file_is_a_listing_of_one(tmp_path):
    """The id is the name of the file; a prefix is prepended."""
    _touch(tmp_path, "one.mp4")
    assert [v.video_id for v in list_videos(str(tmp_path / "one.mp4")).videos] == ["one.mp4"]
    assert [v.video_id for v in list_videos(str(tmp_path), id_prefix="cam7/").videos] == ["cam7/one.mp4"]


def test_identity_follows_the_content(tmp_path):
    """The content id changes only with size or time; with a digest, only with the content."""
    _touch(tmp_path, "a.mp4")
    first = list_videos(str(tmp_path)).videos[0].content_id
    digest = list_videos(str(tmp_path), identity="digest").videos[0].content_id
    assert list_videos(str(tmp_path)).videos[0].content_id == first
    os.utime(tmp_path / "a.mp4", ns=(5, 5))
    assert list_videos(str(tmp_path)).videos[0].content_id != first
    assert list_videos(str(tmp_path), identity="digest").videos[0].content_id == digest
    (tmp_path / "a.mp4").write_bytes(b"other")
    assert list_videos(str(tmp_path), identity="digest").videos[0].content_id != digest


def test_names_that_are_not_utf8_or_very_long_get_safe_ids(tmp_path):
    """Invalid UTF-8, control characters and long names neither cause errors nor appear in ids."""
    names = [b"caf\xe9.mp4", b"tab\there.mp4", b"n" * 240 + b".mp4"]
    for name in names:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as f:
            f.write(b"1")
    found = list_videos(str(tmp_path))
    assert len(found.videos) == 3
    for video in found.videos:
        assert "~" in video.video_id
        assert video.video_id.isprintable()
        assert printable(video.uri).isprintable()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_manifest_states_ids_and_relative_uris(tmp_path, kind):
    """Relative URIs are resolved against the manifest's folder; ids that look like numbers stay text."""
    _touch(tmp_path, "videos/1.mp4", "videos/2.mp4", "m/x")
    rows = {"video_id": ["0012", "b"], "uri": ["../videos/1.mp4", str(tmp_path / "videos/2.mp4")], "label": [0, 1]}
    if kind == "csv":
        lines = zip(rows["video_id"], rows["uri"], rows["label"], strict=True)
        (tmp_path / "m/list.csv").write_text("video_id,uri,label\n" + "".join(f"{a},{b},{c}\n" for a, b, c in lines))
    else:
        pq.write_table(pa.table(rows), tmp_path / "m/list.parquet")
    found = list_videos(str(tmp_path / f"m/list.{kind}"))
    assert [v.video_id for v in found.videos] == ["0012", "b"]
    assert [v.info.size for v in found.videos] == [len("xvideos/1.mp4")] * 2


def test_a_missing_object_of_a_manifest_is_unreachable_but_not_bad(tmp_path):
    """There is no evidence against such a video; the others are listed."""
    _touch(tmp_path, "a.mp4")
    (tmp_path / "m.csv").write_text("uri\na.mp4\ngone.mp4\n")
    found = list_videos(str(tmp_path / "m.csv"))
    assert [v.video_id for v in found.videos] == ["a.mp4"]
    assert [u.video_id for u in found.unreachable] == ["gone.mp4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nx\n", "needs a column 'uri'"),
        ("uri\n", "no rows"),
        ("video_id,uri\na,a.mp4\na,b.mp4\n", "unique"),
        ("video_id,uri\n../a,a.mp4\n", "row 1: invalid video_id"),
        ("video_id,uri\na,\n", "row 1: the uri is empty"),
        ("uri,b\n1\n", "cannot be read"),
        ("a,b\n1\n", "found .'a', 'b'."),
    ],
)
def test_invalid_manifests_are_rejected(tmp_path, text, message):
    """Every defect is found before any work."""
    _touch(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError, match=message):
        list_videos(str(tmp_path / "m.csv"))


def test_an_empty_listing_is_an_error_with_examples(tmp_path):
    """It results from a mistake in the command."""
    _touch(tmp_path, "notes.txt")
    with pytest.raises(ManifestError, match=r"no video found.*notes\.txt"):
        list_videos(str(tmp_path))
    with pytest.raises(UsageError):
        list_videos("gopher://x/y")


def test_a_link_out_of_the_folder_is_followed_only_if_named_or_allowed(tmp_path):
    """A link in a listed folder is skipped; a link that is named directly is followed."""
    _touch(tmp_path, "real/a.mp4", "in/b.mp4")
    (tmp_path / "in/link.mp4").symlink_to(tmp_path / "real/a.mp4")
    assert [v.video_id for v in list_videos(str(tmp_path / "in")).videos] == ["b.mp4"]
    allowed = list_videos(str(tmp_path / "in"), options=StoreOptions(follow_links=True))
    assert [v.video_id for v in allowed.videos] == ["b.mp4", "link.mp4"]
    assert [v.video_id for v in list_videos(str(tmp_path / "in/link.mp4")).videos] == ["link.mp4"]


def test_keys_with_empty_segments_are_listed_and_read(s3_bucket, moto_server):
    """S3 keys are literal: each is a separate video, from every root above it, by its URI, and from a manifest."""
    keys = ["dbl//cam8/a.mp4", "dbl/cam8//b.mp4", "dbl/cam8/a.mp4", "/lead.mp4", "dbl/x/../c.mp4", "dbl/.tmp/d.mp4",
            "dbl/.tmp/0123", "dbl/folder/", "dbl/full.mp4/"]  # fmt: skip
    for key in keys:
        moto_server.client.put_object(Bucket=s3_bucket, Key=key, Body=b"" if key == "dbl/folder/" else key.encode())
    rows = "\n".join(("uri", "cam8//b.mp4", "../dbl//cam8/a.mp4", f"s3://{s3_bucket}//lead.mp4"))
    moto_server.client.put_object(Bucket=s3_bucket, Key="dbl/m.csv", Body=rows.encode())
    moto_server.client.put_object(Bucket=s3_bucket, Key="dbl//m.csv", Body=b"uri\ncam8/a.mp4\n")
    options = StoreOptions(endpoint_url=moto_server.url)

    def found(below):
        listing = list_videos(f"s3://{s3_bucket}{below}", options=options, identity="digest")
        assert len({v.video_id for v in listing.videos}) == len(listing.videos)
        assert not listing.unreachable
        there = {v.uri.removeprefix(f"s3://{s3_bucket}/"): v for v in listing.videos}
        for key, video in there.items():
            assert open_store(video.root, options).read(video.info.key) == key.encode()
        return set(there), {s.uri.removeprefix(f"s3://{s3_bucket}/") for s in listing.skipped}

    left_out = {"dbl/x/../c.mp4", "dbl/.tmp/d.mp4", "dbl/full.mp4/", "dbl/m.csv", "dbl//m.csv"}
    assert found("") == ({"dbl//cam8/a.mp4", "dbl/cam8//b.mp4", "dbl/cam8/a.mp4", "/lead.mp4"}, left_out)
    assert found("/dbl") == ({"dbl//cam8/a.mp4", "dbl/cam8//b.mp4", "dbl/cam8/a.mp4"}, left_out)
    assert found("/dbl//") == ({"dbl//cam8/a.mp4"}, {"dbl//m.csv"})
    assert found("//") == ({"/lead.mp4"}, set())
    assert found("/dbl/cam8") == ({"dbl/cam8//b.mp4", "dbl/cam8/a.mp4"}, set())
    assert found("/dbl//cam8/a.mp4") == ({"dbl//cam8/a.mp4"}, set())
    assert found("//lead.mp4") == ({"/lead.mp4"}, set())
    assert found("/dbl/m.csv") == ({"dbl/cam8//b.mp4", "dbl//cam8/a.mp4", "/lead.mp4"}, set())
    assert found("/dbl//m.csv") == ({"dbl//cam8/a.mp4"}, set())


@pytest.mark.parametrize(
    ("manifest", "uri", "resolved"),
    [
        ("s3://bkt/m.csv", "a.mp4", "s3://bkt/a.mp4"),
        ("s3://bkt/x/m.csv", "./a.mp4", "s3://bkt/x/a.mp4"),
        ("s3://bkt/x/y/m.csv", "../a//b.mp4", "s3://bkt/x/a//b.mp4"),
        ("s3://bkt/x//m.csv", "a.mp4", "s3://bkt/x//a.mp4"),
        ("s3://bkt//m.csv", "a.mp4", "s3://bkt//a.mp4"),
        ("s3://bkt/m.csv", "../a.mp4", "s3://bkt/../a.mp4"),
        ("/x/y/m.csv", "../a//b.mp4", "/x/a/b.mp4"),
    ],
)
def test_relative_uris(manifest, uri, resolved):
    """Dot segments are resolved, those out of a bucket are rejected later; repeated slashes in S3 keys are kept."""
    assert resolve_uri(manifest, uri) == resolved


def test_video_files_are_recognised_by_the_suffix_of_their_name(tmp_path):
    """As defined by ``pathlib``: a leading or trailing dot is not a suffix, and suffixes of folders do not count."""
    names = [
        "a.mp4",
        "b.MP4",
        "c.tar.mkv",
        "mp4",
        "d.mp4.",
        "e.mp4x",
        "f.mp4/x",
        "g.mp4/h.mov",
        ".mp4",
        "i/.mp4",
        "j. mp4",
    ]
    names += ["k..mp4", "..l.mp4", "m/..n.mov", "o.d/p.avi", "q /r.ts", "...mp4"]
    _touch(tmp_path, *names)
    paths = [PurePosixPath(name) for name in names]
    shown = [p for p in paths if not any(part.startswith(".") for part in p.parts)]
    wanted = sorted(str(p) for p in shown if p.suffix.lower() in VIDEO_EXTENSIONS)
    listing = list_videos(str(tmp_path))
    assert [video.video_id for video in listing.videos] == wanted
    assert len(listing.skipped) == len(names) - len(wanted)
    assert sum(s.reason == "hidden" for s in listing.skipped) == len(names) - len(shown)
