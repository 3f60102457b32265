"""What a name stands for, and what the catalogue promises."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from wsvad.backbones import shipped
from wsvad.backbones.choose import ARCHITECTURES
from wsvad.backbones.weights import PUBLIC_FILES
from wsvad.errors import WeightsError
from wsvad.weights import folder as folders
from wsvad.weights.catalogue import CATALOGUE, EMBEDDED
from wsvad.weights.digests import bytes_digest
from wsvad.weights.folder import default_folder, find_weights, held
from wsvad.weights.listing import list_weights

CONTENT = b"weights"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights, where the published files all have the content ``CONTENT``."""
    for name, known in list(CATALOGUE.items()):
        files = tuple(replace(f, digest=f.digest and bytes_digest(CONTENT, "git")) for f in known.files)
        monkeypatch.setitem(CATALOGUE, name, replace(known, files=files))
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


def test_the_catalogue_agrees_with_what_is_loaded() -> None:
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
    """What error messages tell users to fetch is in the catalogue, for that architecture."""
    for name, spec in ARCHITECTURES.items():
        if spec.public != "embedded":
            assert CATALOGUE[spec.public].architecture == name


def test_the_folder_is_the_users_choice() -> None:
    """The environment variable, else the cache, which is relative to nothing."""
    home = Path.home()
    assert default_folder({"WSVAD_WEIGHTS": "/data/w"}) == Path("/data/w")
    assert default_folder({"WSVAD_WEIGHTS": "~/w"}) == home / "w"
    assert default_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/wsvad/weights")
    assert default_folder({"XDG_CACHE_HOME": "not/absolute"}) == home / ".cache/wsvad/weights"
    assert default_folder({}) == home / ".cache/wsvad/weights"


def test_a_pinned_file_is_found_when_it_is_the_published_one(here: Path) -> None:
    """Absent, unfinished, altered, verified."""
    known = CATALOGUE["rgb_imagenet"]
    assert held(known, here).state == "absent"
    with pytest.raises(WeightsError, match=r"rgb_imagenet are not on this machine .*wsvad weights fetch rgb_imagenet`"):
        find_weights("rgb_imagenet", here)
    (here / "rgb_imagenet.pt.part").write_bytes(b"we")
    assert held(known, here).state == "unfinished"
    (here / "rgb_imagenet.pt").write_bytes(b"altered")
    assert held(known, here).state == "altered"
    with pytest.raises(WeightsError, match="is not what was published; get it again"):
        find_weights("rgb_imagenet", here)
    (here / "rgb_imagenet.pt").write_bytes(CONTENT)
    assert held(known, here).state == "verified"
    assert find_weights("rgb_imagenet", here) == here / "rgb_imagenet.pt"


def test_a_checkpoint_of_two_files_is_used_converted(here: Path) -> None:
    """Originals alone are not loadable yet; the converted file alone is enough, as when it was carried over."""
    known = CATALOGUE["kinetics-i3d-rgb"]
    for file in known.files:
        (here / file.saved_as).parent.mkdir(exist_ok=True)
        (here / file.saved_as).write_bytes(CONTENT)
    assert held(known, here) == folders.Held("verified", None)
    with pytest.raises(WeightsError, match="are here, but not converted yet"):
        find_weights("kinetics-i3d-rgb", here)
    converted = here / "kinetics-i3d-rgb.safetensors"
    converted.write_bytes(b"tensors")
    assert held(known, here) == folders.Held("verified", converted)
    (here / known.files[1].saved_as).unlink()
    assert held(known, here) == folders.Held("converted", converted)
    assert find_weights("kinetics-i3d-rgb", here) == converted


def test_what_nobody_pinned_is_said_to_be_so(here: Path) -> None:
    """The ResNet: the message asks for a digest."""
    with pytest.raises(WeightsError, match="--digest sha256:"):
        find_weights("i3d_r50_kinetics", here)
    (here / "i3d_r50_kinetics.safetensors").write_bytes(b"tensors")
    assert find_weights("i3d_r50_kinetics", here).name == "i3d_r50_kinetics.safetensors"


def test_own_files_go_by_path_or_by_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path wins over a file of the folder; a name of the catalogue wins over both; a near miss is pointed out."""
    (here / "mine.safetensors").write_bytes(b"1")
    assert find_weights("mine", here) == find_weights("mine.safetensors", here) == here / "mine.safetensors"
    monkeypatch.chdir(here.parent)
    Path("mine").write_bytes(b"2")
    assert find_weights("mine", here) == Path("mine")
    Path("rgb_imagenet").write_bytes(b"3")
    assert find_weights("./rgb_imagenet", here) == Path("rgb_imagenet")
    with pytest.raises(WeightsError, match="not on this machine"):
        find_weights("rgb_imagenet", here)
    with pytest.raises(WeightsError, match="no such name; did you mean rgb_imagenet"):
        find_weights("rgb-imagenet", here)


def test_the_list_shows_everything(here: Path) -> None:
    """All names, and files of the user's; nothing in a folder that is not there."""
    (here / "mine.pt").write_bytes(b"1")
    (here / "notes.txt").write_bytes(b"1")
    lines = {line.name: line for line in list_weights(here)}
    assert set(lines) == {*CATALOGUE, "mine"}
    assert (lines["mine"].state, lines["mine"].architecture) == ("present", None)
    assert lines["kinetics-i3d-rgb"].size == 50_818_176 + 10_953
    assert lines["i3d_r50_kinetics"].digests == (None,)
    assert {line.name for line in list_weights(here / "absent")} == set(CATALOGUE)


def test_the_embedded_weights_are_the_packages_own(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found where the package is, and missed loudly."""
    own = here / "i3d_compact.safetensors"
    monkeypatch.setattr(shipped, "path", lambda: own)
    with pytest.raises(WeightsError, match="missing from the package"):
        find_weights(EMBEDDED, here)
    own.write_bytes(b"1")
    assert find_weights(EMBEDDED, here) == own
