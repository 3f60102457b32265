"""``wsvad weights``: fetching and converting, from a web server to weights that load."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from tests.backbones.reference import published_shapes
from tests.backbones.saving import save_weights
from tests.weights.checkpoints import caffe2_names, python2_pickle, unpack
from tests.weights.server import WebServer
from wsvad.backbones import shipped
from wsvad.backbones.registry import meta_network
from wsvad.backbones.weights import load_weights, random_weights
from wsvad.cli import main
from wsvad.weights import fetch as fetching
from wsvad.weights.catalogue import CATALOGUE
from wsvad.weights.digests import bytes_digest
from wsvad.weights.download import RetryPolicy
from wsvad.weights.folder import default_folder, find_weights


@pytest.fixture(autouse=True)
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attempts without waiting."""
    monkeypatch.setattr(fetching, "DEFAULT_RETRIES", RetryPolicy(attempts=2, timeout_s=5, first_wait_s=0.001))


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, bytes]:
    """A complete I3D checkpoint written by TensorFlow."""
    return unpack("tensorflow_i3d.tar.xz")


@pytest.fixture(scope="module")
def small_pt(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A complete I3D written by PyTorch, all zero except its variances."""
    state = {
        name: torch.ones(shape) if name.endswith("running_var") else torch.zeros(shape)
        for name, shape in published_shapes().items()
        if not name.startswith("logits") and not name.endswith("num_batches_tracked")
    }
    path = tmp_path_factory.mktemp("pt") / "rgb.pt"
    torch.save(state, path)
    return path.read_bytes()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object], str]:
    """Run ``wsvad weights``; return the exit code, the JSON summary and the log."""
    capsys.readouterr()
    code = main(["weights", *words, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else {}, err


def serve(
    web: WebServer, monkeypatch: pytest.MonkeyPatch, name: str, contents: list[bytes], *, pinned: bool = True
) -> None:
    """Serve the files of a catalogue name, with the digests of these contents."""
    known = CATALOGUE[name]
    files = tuple(
        replace(file, url=f"{web.url}/{i}", size=len(content), digest=bytes_digest(content, "git") if pinned else None)
        for i, (file, content) in enumerate(zip(known.files, contents, strict=True))
    )
    monkeypatch.setitem(CATALOGUE, name, replace(known, files=files))


def test_a_checkpoint_of_tensorflow_is_fetched_converted_and_loaded(web, monkeypatch, capsys, checkpoint) -> None:
    """Two files, verified and converted, with the published name; a second run fetches nothing."""
    contents = [checkpoint["model.ckpt.index"], checkpoint["model.ckpt.data-00000-of-00001"]]
    serve(web, monkeypatch, "kinetics-i3d-rgb", contents)
    monkeypatch.setattr(
        type(web.behaviour),
        "content",
        property(lambda does: contents[int(does.requests[-1][0][1:])], lambda does, value: None),
    )
    code, done, _ = run(capsys, "fetch", "kinetics-i3d-rgb")
    assert code == 0
    assert (done["name"], done["architecture"], len(done["files"])) == ("kinetics-i3d-rgb", "inception-rgb", 2)
    weights = load_weights(find_weights("kinetics-i3d-rgb"), "inception-rgb")
    assert (weights.name, weights.digest) == ("kinetics-i3d-rgb", done["digest"])
    assert len(weights.state["logits.conv3d.bias"]) == 400
    code, again, _ = run(capsys, "fetch", "kinetics-i3d-rgb")
    assert (code, again["files"], again["digest"]) == (0, [], done["digest"])
    assert len(web.behaviour.requests) == 2


def test_a_checkpoint_is_verified_by_any_of_its_files(tmp_path, capsys, checkpoint) -> None:
    """The common prefix of its names suffices; a flipped bit in the data is detected."""
    for name, content in checkpoint.items():
        (tmp_path / name).write_bytes(content)
    code, found, _ = run(capsys, "verify", str(tmp_path / "model.ckpt"))
    assert (code, found["format"], found["known"], found["classes"]) == (0, "tensorflow", False, 400)
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    altered = bytearray(data.read_bytes())
    altered[1_000_000] ^= 1
    data.write_bytes(altered)
    code, _, err = run(capsys, "verify", str(data))
    assert code == 5
    assert "is damaged: checksum mismatch" in err


def test_a_pytorch_file_is_kept_unchanged(web, monkeypatch, capsys, small_pt) -> None:
    """Fetched by name; listed as verified; found by name; a mirror's URL must match the published digest."""
    serve(web, monkeypatch, "rgb_imagenet", [small_pt])
    web.behaviour.content = small_pt
    code, done, _ = run(capsys, "fetch", f"{web.url}/mirror/rgb_imagenet.pt")
    assert (code, done["bytes_fetched"]) == (0, len(small_pt))
    assert find_weights("rgb_imagenet").read_bytes() == small_pt
    _, listed, _ = run(capsys, "list")
    assert {line["name"]: line["state"] for line in listed["weights"]}["rgb_imagenet"] == "verified"
    code, found, _ = run(capsys, "verify", "rgb_imagenet")
    assert (code, found["known"], found["classes"], found["name"]) == (0, True, None, "rgb_imagenet")


def test_nothing_is_fetched_without_a_digest(web, capsys, small_pt) -> None:
    """A URL, and the ResNet, which has no published digest: refused without ``--digest``, fetched with it."""
    web.behaviour.content = small_pt
    for what in (f"{web.url}/mine.pt", "i3d_r50_kinetics"):
        code, _, err = run(capsys, "fetch", what)
        assert (code, web.behaviour.requests) == (2, [])
        assert "is published, so a download could not be verified" in err
    code, done, _ = run(capsys, "fetch", f"{web.url}/mine.pt", "--digest", str(bytes_digest(small_pt, "sha256")))
    assert (code, done["path"]) == (0, str(default_folder() / "mine.pt"))
    assert find_weights("mine") == default_folder() / "mine.pt"
    code, _, err = run(capsys, "fetch", f"{web.url}/other.pt", "--digest", "0" * 64)
    assert code == 2
    assert "the download was removed" in err
    code, _, err = run(capsys, "fetch", "rgb_imagenet", "--digest", "0" * 64)
    assert code == 2
    assert "has the published digest git:73a4" in err


def test_offline_errors_explain_manual_download(web, monkeypatch, capsys) -> None:
    """The URL, the digest and the path, with exit code 4; the same if the server does not have the file."""
    serve(web, monkeypatch, "flow_imagenet", [b"x"])
    for status in (503, 404):
        web.behaviour.statuses = [status] * 2
        code, _, err = run(capsys, "fetch", "flow_imagenet")
        assert code == 4
        digest = bytes_digest(b"x", "git")
        by_hand = f"Without network access: download {web.url}/0 on a connected machine, check its digest {digest}"
        assert f"{by_hand}, copy it to {default_folder() / 'flow_imagenet.pt'}" in err


def test_files_are_copied_from_any_store(tmp_path, capsys, small_pt) -> None:
    """A path needs no digest; a given digest is checked."""
    (tmp_path / "mine.pt").write_bytes(small_pt)
    code, done, _ = run(capsys, "fetch", str(tmp_path / "mine.pt"), "--to", str(tmp_path / "to"))
    assert (code, done["path"]) == (0, str(tmp_path / "to" / "mine.pt"))
    code, _, err = run(capsys, "fetch", str(tmp_path / "mine.pt"), "--digest", "0" * 64)
    assert code == 2
    assert "it was not copied" in err
    assert not (default_folder() / "mine.pt").exists()


def test_a_caffe2_pickle_is_converted_to_the_resnet(tmp_path, capsys) -> None:
    """A complete network pickled by Python 2, with momentum and learning rate."""
    shapes = {
        n: tuple(t.shape) for n, t in meta_network("resnet50", 400).state_dict().items() if "num_batches" not in n
    }
    names = caffe2_names(shapes)
    blobs: dict[str, object] = {"model_iter": 400_000, "lr": np.array([0.1], np.float32)}
    for at, (caffe2, (_, shape)) in enumerate(names.items()):
        blobs[caffe2] = np.full(shape, 1 + at / 1000, np.float32)
    blobs["conv1_w_momentum"] = np.zeros(3, np.float32)
    source, out = tmp_path / "i3d.pkl", tmp_path / "r50.safetensors"
    source.write_bytes(python2_pickle(blobs))
    code, done, err = run(capsys, "convert", str(source), "--out", str(out), "--architecture", "resnet50")
    assert code == 0, err
    assert (done["format"], done["architecture"], done["classes"]) == ("caffe2", "resnet50", 400)
    tensors = safetensors.numpy.load_file(out)
    assert set(shapes) <= set(tensors)
    for caffe2, (name, shape) in names.items():
        assert tensors[name].shape == shape
        assert tensors[name].flat[0] == blobs[caffe2].flat[0], name
    assert load_weights(out, "resnet50").digest == done["digest"]


def test_converting_never_overwrites_another_file(tmp_path, capsys, small_pt) -> None:
    """The same bytes again are fine; other content is a conflict without ``--overwrite``."""
    source, out = tmp_path / "mine.pt", tmp_path / "mine.safetensors"
    source.write_bytes(small_pt)
    assert run(capsys, "convert", str(source), "--out", str(out))[0] == 0
    assert run(capsys, "convert", str(source), "--out", str(out))[0] == 0
    out.write_bytes(b"another")
    code, _, err = run(capsys, "convert", str(source), "--out", str(out))
    assert code == 5
    assert "--overwrite" in err
    assert run(capsys, "convert", str(source), "--out", str(out), "--overwrite")[0] == 0
    assert load_weights(out).name.startswith("custom:")
    code, _, err = run(capsys, "convert", str(source), "--out", str(out), "--architecture", "inception-flow")
    assert code == 2
    assert "not those of a flow I3D" in err


HOSTILE = {
    "page.pt": (b"<!DOCTYPE html><p>Please log in", "a web page"),
    "pointer.pt": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
    "noise.pt": (bytes(range(256)), "of an unsupported format"),
    "empty.pt": (b"", "of an unsupported format"),
    "header.safetensors": ((1 << 60).to_bytes(8, "little") + b"{", "a safetensors header of"),
    "code.pkl": (b"\x80\x02cposix\nsystem\nU\x02id\x85R.", "refers to 'posix.system'"),
    "foreign.pkl": (
        python2_pickle({"fc6_w": np.ones(3, np.float32)}),
        "unexpected 'fc6_w'",
    ),
    "few.pkl": (python2_pickle({"conv1_w": np.ones(3, np.float32)}), "missing"),
    "cut.zip.pt": (b"PK\x03\x04" + bytes(100), "not a complete zip archive"),
    "alone.index": (b"rubbish", "without its magic number"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_verify_refuses_damaged_foreign_and_hostile_files(tmp_path: Path, capsys, name: str) -> None:
    """Exit code 5 and one line that names the file; the JSON summary contains the fault."""
    content, message = HOSTILE[name]
    (tmp_path / name).write_bytes(content)
    code, report, err = run(capsys, "verify", str(tmp_path / name))
    assert (code, report["exit_code"]) == (5, 5)
    assert message in err
    assert message in report["fault"]
    assert name in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["list", "rgb_imagenet"], 2, "takes no argument"),
        (["fetch"], 2, "requires an argument"),
        (["fetch", "rgb-imagenet"], 2, "expected a name"),
        (["fetch", "i3d-compact"], 2, "is part of the package"),
        (["fetch", "https://me:pw@host/a.pt"], 2, "expected http"),
        (["fetch", "https://host/a.ckpt"], 2, "expected the URL of a file named NAME.safetensors"),
        (["convert", "a.pt"], 2, "missing option: --out"),
        (["convert", "a.pt", "--out", "b.pt"], 2, "must end in .safetensors"),
        (["convert", "a.pt", "--out", "b.safetensors", "--architecture", "vgg"], 2, "--architecture must be one of"),
        (["verify", "a.pt", "--digest", "0"], 2, "verify does not support --digest"),
        (["verify", "/absent/a.pt"], 4, "the file does not exist"),
        (["verify", "flow_charades"], 5, "not on this machine"),
    ],
)
def test_usage_errors(capsys, words: list[str], code: int, message: str) -> None:
    """One line, and nothing is done."""
    got, _, err = run(capsys, *words)
    assert (got, message in err) == (code, True), err


def test_the_list_shows_every_name(capsys) -> None:
    """One line each, with the licence and the state."""
    assert main(["weights", "list"]) == 0
    out = capsys.readouterr().out
    for name, known in CATALOGUE.items():
        (line,) = (line for line in out.splitlines() if line.split()[:1] == [name])
        assert known.licence in line
    assert "provide your own" in out


def test_verify_recognizes_the_embedded_weights(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and as a file; another file in its place is refused."""
    for what in ("i3d-compact", str(shipped.path())):
        assert main(["weights", "verify", what]) == 0
        assert "embedded weights of this package" in capsys.readouterr().out
    other = tmp_path / shipped.FILE
    save_weights(random_weights(0, "inception-compact"), other)
    monkeypatch.setattr(shipped, "path", lambda: other)
    assert main(["weights", "verify", "i3d-compact"]) == 5
    assert "differs from the weights of this version" in capsys.readouterr().err
