"""The weights folder: resolution of names, and consistency of the catalogue."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from wsvad.backbones import shipped
from wsvad.backbones.registry import ARCHITECTURES
from wsvad.backbones.weights import PUBLIC_FILES
from wsvad.errors import WeightsError
from wsvad.weights import folder as folders
from wsvad.weights.catalogue import CATALOGUE, EMBEDDED
from wsvad.weights.digests import bytes_digest
from wsvad.weights.folder import default_folder, find_weights, folder_state
from wsvad.weights.listing import list_weights

CONTENT = b"weights"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder, with all published files having the content ``CONTENT``."""
    for name, known in list(CATALOGUE.items()):
        files = tuple(replace(f, digest=f.digest and bytes_digest(CONTENT, "git")) for f in known.files)
        monkeypatch.setitem(CATALOGUE, name, replace(known, files=files))
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


def test_the_catalogue_matches_the_loader() -> None:
    """Every architecture exists, every file is pinned at a fixed commit over https, digests are those of the loader."""
    for name, known in CATALOGUE.items():
        assert known.name == name
        assert known.architecture in ARCHITECTURES, name
        assert known.licence, name
        for file in known.files:
            assert file.url.startswith("https://"), name
            assert file.digest is None or re.search(r"/[0-9a-f]{40}/", file.url), name
    pytorch = {k.files[0].digest.hex: k.name for k in CATALOGUE.values() if k.layout == "pytorch"}
    assert pytorch == PUBLIC_FILES
    assert not CATALOGUE["i3d_r50_kinetics"].pinned
    saved = [file.saved_as for known in CATALOGUE.values() for file in known.files]
    assert len(set(saved)) == len(saved)


def test_every_backbone_has_a_name_to_fetch() -> None:
    """The weights that error messages recommend are in the catalogue, for that architecture."""
    for name, spec in ARCHITECTURES.items():
        if spec.public != "embedded":
            assert CATALOGUE[spec.public].architecture == name


def test_the_default_folder() -> None:
    """The environment variable, else the cache folder, which must be absolute."""
    home = Path.home()
    assert default_folder({"WSVAD_WEIGHTS": "/data/w"}) == Path("/data/w")
    assert default_folder({"WSVAD_WEIGHTS": "~/w"}) == home / "w"
    assert default_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/wsvad/weights")
    assert default_folder({"XDG_CACHE_HOME": "not/absolute"}) == home / ".cache/wsvad/weights"
    assert default_folder({}) == home / ".cache/wsvad/weights"


def test_a_pinned_file_is_found_when_it_is_the_published_one(folder: Path) -> None:
    """Absent, unfinished, altered, verified."""
    known = CATALOGUE["rgb_imagenet"]
    assert folder_state(known, folder).state == "absent"
    with pytest.raises(WeightsError, match=r"rgb_imagenet are not on this machine .*wsvad weights fetch rgb_imagenet`"):
        find_weights("rgb_imagenet", folder)
    (folder / "rgb_imagenet.pt.part").write_bytes(b"we")
    assert folder_state(known, folder).state == "unfinished"
    (folder / "rgb_imagenet.pt").write_bytes(b"altered")
    assert folder_state(known, folder).state == "altered"
    with pytest.raises(WeightsError, match="differ from the published ones; fetch them again"):
        find_weights("rgb_imagenet", folder)
    (folder / "rgb_imagenet.pt").write_bytes(CONTENT)
    assert folder_state(known, folder).state == "verified"
    assert find_weights("rgb_imagenet", folder) == folder / "rgb_imagenet.pt"


def test_a_checkpoint_of_two_files_is_used_converted(folder: Path) -> None:
    """The originals alone cannot be loaded; the converted file alone suffices."""
    known = CATALOGUE["kinetics-i3d-rgb"]
    for file in known.files:
        (folder / file.saved_as).parent.mkdir(exist_ok=True)
        (folder / file.saved_as).write_bytes(CONTENT)
    assert folder_state(known, folder) == folders.FolderState("verified", None)
    with pytest.raises(WeightsError, match="are not converted yet"):
        find_weights("kinetics-i3d-rgb", folder)
    converted = folder / "kinetics-i3d-rgb.safetensors"
    converted.write_bytes(b"tensors")
    assert folder_state(known, folder) == folders.FolderState("verified", converted)
    (folder / known.files[1].saved_as).unlink()
    assert folder_state(known, folder) == folders.FolderState("converted", converted)
    assert find_weights("kinetics-i3d-rgb", folder) == converted


def test_the_error_for_unpinned_weights_asks_for_a_digest(folder: Path) -> None:
    """The ResNet has no published digest."""
    with pytest.raises(WeightsError, match="--digest sha256:"):
        find_weights("i3d_r50_kinetics", folder)
    (folder / "i3d_r50_kinetics.safetensors").write_bytes(b"tensors")
    assert find_weights("i3d_r50_kinetics", folder).name == "i3d_r50_kinetics.safetensors"


def test_own_files_are_found_by_path_or_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path has precedence over a file of the folder, a catalogue name over both; a similar name is suggested."""
    (folder / "mine.safetensors").write_bytes(b"1")
    assert find_weights("mine", folder) == find_weights("mine.safetensors", folder) == folder / "mine.safetensors"
    monkeypatch.chdir(folder.parent)
    Path("mine").write_bytes(b"2")
    assert find_weights("mine", folder) == Path("mine")
    Path("rgb_imagenet").write_bytes(b"3")
    assert find_weights("./rgb_imagenet", folder) == Path("rgb_imagenet")
    with pytest.raises(WeightsError, match="not on this machine"):
        find_weights("rgb_imagenet", folder)
    with pytest.raises(WeightsError, match=r"no such file or name; did you mean rgb_imagenet\?"):
        find_weights("rgb-imagenet", folder)


def test_the_list_shows_everything(folder: Path) -> None:
    """All names, and the user's files; none for a missing folder."""
    (folder / "mine.pt").write_bytes(b"1")
    (folder / "notes.txt").write_bytes(b"1")
    lines = {line.name: line for line in list_weights(folder)}
    assert set(lines) == {*CATALOGUE, "mine"}
    assert (lines["mine"].state, lines["mine"].architecture) == ("present", None)
    assert lines["kinetics-i3d-rgb"].size == 50_818_176 + 10_953
    assert lines["i3d_r50_kinetics"].digests == (None,)
    assert {line.name for line in list_weights(folder / "absent")} == set(CATALOGUE)


def test_the_embedded_weights_are_those_of_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are found in the package; if they are missing, an error is raised."""
    own = folder / "i3d_compact.safetensors"
    monkeypatch.setattr(shipped, "path", lambda: own)
    with pytest.raises(WeightsError, match="missing from the package"):
        find_weights(EMBEDDED, folder)
    own.write_bytes(b"1")
    assert find_weights(EMBEDDED, folder) == own
