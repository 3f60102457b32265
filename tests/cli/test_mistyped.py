"""Suggestions for typing errors, and unusable locations."""

from __future__ import annotations

import pytest

from wsvad.cli import main
from wsvad.errors import ManifestError, StorageError, UnusablePlace, UsageError
from wsvad.manifest.listing import list_videos
from wsvad.manifest.table import read_manifest
from wsvad.models.sultani import SultaniConfig
from wsvad.storage import normalize_uri, open_store, probe_folder, probe_object
from wsvad.suggest import did_you_mean
from wsvad.training.overrides import parse_overrides


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("exract",), "extract"),
        (("extract", "--vidoes", "x"), "--videos"),
        (("extract", "--clip_length=8"), "--clip-length"),
        (("extract", "--no-cuboid"), "--no-cuboids"),
        (("extract", "--backbone", "i3d-compat"), "i3d-compact"),
        (("extract", "--geometry", "squish"), "squash"),
        (("train", "--model", "lgts"), "ltgs"),
        (("manifest", "ucf-crimes"), "ucf-crime"),
        (("weights", "lst"), "list"),
        (("evaluate", "--split", "tests"), "test"),
    ],
)
def test_suggestion_for_a_mistyped_option_or_value(words, meant, capsys):
    """Exit code 2; the usage is that of the command."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert f"did you mean '{meant}'?" in message
    assert f"usage: wsvad {words[0] if len(words) > 1 else ''}".strip() in message


def test_no_suggestion_for_unrelated_words(capsys):
    """A wrong suggestion is worse than none."""
    assert did_you_mean("--xyzzy", ["--videos", "--out"]) == ""
    with pytest.raises(SystemExit):
        main(["extract", "--xyzzy"])
    assert "did you mean" not in capsys.readouterr().err


def test_suggestion_for_a_mistyped_key_of_an_option_file(tmp_path, capsys):
    """With - or _."""
    (tmp_path / "o.toml").write_text("clip_lenght = 8\n")
    assert main(["extract", "--config", str(tmp_path / "o.toml")]) == 2
    assert "unknown key 'clip_lenght'; did you mean '--clip-length'?" in capsys.readouterr().err
    assert main(["extract", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml: the file does not exist" in capsys.readouterr().err


def test_suggestion_for_a_mistyped_setting_or_preset(tmp_path, capsys):
    """Settings of a model."""
    with pytest.raises(UsageError, match="no setting 'droput'; did you mean 'dropout'"):
        parse_overrides(["droput=0.5"], SultaniConfig)
    with pytest.raises(UsageError, match="got 'al'; did you mean 'all'"):
        parse_overrides(["pairs=al"], SultaniConfig)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video_id;uri;label\na;a.mp4;1\n", "separated by ';'; save it with commas"),
        ("video_id\turi\na\ta.mp4\n", "separated by tabs"),
        ('"uri"|"label"\na.mp4|1\n', "separated by '|'"),
        ("uri;title, long;label\na.mp4;x, y;1\n", "separated by ';'"),
        ("URI,label\na.mp4,1\n", "did you mean 'URI'"),
        ("a,b\n1,2\n", "needs a column 'uri'; found ['a', 'b']"),
    ],
)
def test_manifest_with_another_delimiter(text, message):
    """As written by spreadsheets with many European locales."""
    with pytest.raises(ManifestError) as caught:
        read_manifest(text.encode(), name="m.csv")
    assert message in str(caught.value)
    assert ("separated" in message) == ("separated" in str(caught.value))


def _words(verb, out):
    inputs = {
        "extract": ("--videos", "in"),
        "import-features": ("--files", "in", "--source", "x"),
        "train": ("--features", "in", "--manifest", "m.csv", "--model", "ltgs"),
        "score": ("--features", "in", "--checkpoint", "c"),
        "events": ("--scores", "in"),
        "evaluate": ("--scores", "in", "--manifest", "m.csv"),
        "compare": ("--features", "in", "--manifest", "m.csv"),
        "pretrain": (),
    }
    return [verb, *inputs[verb], "--out", out]


@pytest.mark.parametrize(
    "verb", ["extract", "import-features", "train", "score", "events", "evaluate", "compare", "pretrain"]
)
@pytest.mark.parametrize("below", ["", "/sub", "/sub/sub"])
def test_file_instead_of_the_target_folder(verb, below, tmp_path, capsys):
    """Exit code 2 before any input is opened: none of them exists."""
    (tmp_path / "file").write_text("x")
    assert main(_words(verb, f"{tmp_path}/file{below}")) == 2
    assert "is a file instead of a folder" in capsys.readouterr().err


def test_unwritable_folder(tmp_path, capsys, monkeypatch):
    """Its owner can change that: exit code 4."""
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert main(_words("evaluate", str(tmp_path / "out"))) == 4
    assert f"this user may not write in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("manifest", "ucf-crime", "--root", "nowhere", "--out", "{file}/m.csv"),
        ("manifest", "ucf-crime", "--root", "nowhere", "--out", "{folder}/m.csv"),
        ("weights", "convert", "nowhere.pt", "--out", "{file}/w.safetensors"),
        ("weights", "fetch", "rgb_imagenet", "--to", "{file}"),
        ("verify", "--out", "{file}"),
        ("demo", "--folder", "{file}"),
    ],
)
def test_unusable_targets_of_other_commands(words, tmp_path, capsys):
    """A manifest, weights, a demonstration."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder" / "m.csv").mkdir(parents=True)
    assert main([w.format(file=tmp_path / "file", folder=tmp_path / "folder") for w in words]) == 2
    message = capsys.readouterr().err
    assert any(reason in message for reason in ("instead of a folder", "is a folder", "not a folder"))


@pytest.mark.parametrize(
    "words", [["extract", "--videos", "v"], ["manifest", "join", "--train", "m.csv"], ["train"], ["score"]]
)
def test_memory_is_not_a_target(words, caplog):
    """Data written there would be lost, although the command would exit with 0."""
    assert main([*words, "--out", "memory://x/y.csv"]) == 2
    assert "lost with the process" in caplog.text


def test_impossible_locations_are_invalid_options(tmp_path):
    """They are also storage errors, for callers that process many of them."""
    (tmp_path / "file").write_text("x")
    long = "x" * 300
    for probe, uri in ((probe_folder, tmp_path / "file"), (probe_folder, tmp_path / long), (probe_object, tmp_path)):
        with pytest.raises(UnusablePlace) as caught:
            probe(str(uri))
        assert isinstance(caught.value, StorageError)
        assert caught.value.exit_code == 2
    with pytest.raises(UnusablePlace, match="it is a file"):
        list(open_store(str(tmp_path / "file")).list())


@pytest.mark.parametrize("bucket", ["a", "a..b", "192.168.5.4", "-ab", "ab-", "a b c", "x" * 300])
def test_impossible_bucket_name(bucket):
    """Detected from the name."""
    with pytest.raises(UsageError, match="is not a bucket name"):
        normalize_uri(f"s3://{bucket}/x")


@pytest.mark.parametrize(
    "words",
    [
        ("extract", "--videos", "{gone}", "--out", "{out}", "--weights", "random", "--precision", "fp32"),
        ("import-features", "--files", "{gone}", "--source", "x", "--out", "{out}"),
        ("train", "--features", "{gone}", "--manifest", "m.csv", "--model", "ltgs", "--out", "{out}"),
        ("score", "--features", "{gone}", "--checkpoint", "{gone}", "--out", "{out}"),
        ("events", "--scores", "{gone}", "--out", "{out}"),
        ("events", "--scores", "{gone}", "--cameras", "{gone}.toml", "--out", "{out}"),
        ("evaluate", "--scores", "{gone}", "--manifest", "{gone}.csv", "--out", "{out}"),
        ("verify", "--out", "{gone}"),
        ("manifest", "ucf-crime", "--root", "{gone}", "--out", "{out}.csv"),
    ],
)
def test_missing_path_is_reported(words, tmp_path, capsys):
    """With its name, and exit code 2."""
    assert main([w.format(gone=tmp_path / "gone", out=tmp_path / "out") for w in words]) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path}/gone" in message
    assert "does not exist" in message


def test_empty_folder_is_not_reported_as_missing(tmp_path):
    """An empty folder exists."""
    with pytest.raises(ManifestError, match="no video found") as caught:
        list_videos(str(tmp_path))
    assert "does not exist" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--segments", "1000000000"),
        ("train", "--pairs", "1000000000000"),
        ("train", "--seed", "9" * 5000),
        ("train", "--seed", str(2**64)),
        ("extract", "--unit-s", "1e300"),
        ("extract", "--workers", "99999999999"),
        ("compare", "--seeds", "1000000000"),
    ],
)
def test_impossible_sizes_are_refused(words, capsys):
    """Before anything of that size is allocated."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert f"argument {words[1]}: must be" in message
