"""Options of backbones and weights, their configuration, and errors about invalid combinations."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from tests.backbones.saving import save_weights
from tests.extraction.harness import QUICK, run_here
from wsvad.backbones import shipped as published
from wsvad.backbones.embedded import embedded_weights, has_embedded_weights
from wsvad.backbones.weights import Weights, load_weights, random_weights, weights_bytes
from wsvad.cli import extract as verb
from wsvad.cli import main
from wsvad.cli.main import VERBS
from wsvad.cli.parser import build, parse
from wsvad.clips import ClipSpec
from wsvad.dataset.snapshots import claim_dataset
from wsvad.errors import ConflictError, UsageError, WeightsError
from wsvad.features.config import FeatureConfig
from wsvad.storage import open_store
from wsvad.video import flow as flow_module
from wsvad.weights.resolve import resolve_backbone

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def embedded_copy(tmp_path, monkeypatch):
    """A copy of the installation's embedded weights that may be altered; returns the path of the file."""
    path = tmp_path / published.FILE
    path.write_bytes(published.path().read_bytes())
    monkeypatch.setattr(published, "path", lambda: path)
    return path


@pytest.fixture
def with_opencv(monkeypatch):
    """Pretend that optical flow can be computed."""
    monkeypatch.setattr("wsvad.video.require_flow", lambda method: None)


def resolved(*words: str):
    """Return the options that the arguments are resolved to."""
    words = ("extract", "--videos", "v", "--out", "o", "--precision", "fp32", *words)
    return verb.options_from(parse(build(VERBS, ["extract"]), words).options)


def test_the_default_is_the_embedded_network(embedded_copy):
    """Without options: i3d-compact with the embedded weights, identified by their digest."""
    options = resolved()
    assert options.features.backbone == "i3d-compact"
    assert options.features.weights == load_weights(embedded_copy, "inception-compact").digest
    assert options.weights.banner == ""
    assert options.weights.label.startswith("i3d-compact (sha256:")
    assert (
        resolved("--weights", "embedded").features == resolved("--weights", "i3d-compact").features == options.features
    )


def test_missing_or_altered_embedded_weights_are_refused(embedded_copy, capsys):
    """The error names alternatives, and nothing is done."""
    whole = embedded_copy.read_bytes()
    others = random_weights(0, "inception-compact")
    renamed = Weights(published.NAME, others.digest, others.state, "inception-compact")
    for altered in (whole[:-4] + b"\0\0\0\0", weights_bytes(renamed)):
        embedded_copy.write_bytes(altered)
        with pytest.raises(WeightsError, match="embedded weights of i3d-compact were altered"):
            embedded_weights()
    embedded_copy.unlink()
    assert not has_embedded_weights()
    assert main(["extract", "--videos", "v", "--out", "o", "--precision", "fp32"]) == 2
    assert "are not in this installation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--backbone", "i3d"), "needs weights of an RGB I3D .*`wsvad weights fetch rgb_imagenet`.* random"),
        (("--backbone", "i3d-flow"), "needs weights of a flow I3D .*`wsvad weights fetch flow_imagenet`"),
        (
            ("--backbone", "i3d-r50"),
            "of an RGB I3D on ResNet-50: .*`wsvad weights fetch i3d_r50_kinetics`",
        ),
        (("--backbone", "i3d-two-stream", "--weights", "random"), "--flow-weights flow_imagenet after"),
        (("--backbone", "i3d", "--weights", "embedded"), "there are no embedded weights of an RGB I3D"),
        (("--weights", "random", "--flow-weights", "random"), "--flow-weights is only valid with i3d-two-stream"),
        (("--weights", "random", "--flow", "dis"), "--flow requires i3d-flow or i3d-two-stream"),
        (("--backbone", "i3d-r50", "--weights", "random", "--clip-length", "6"), "at least 7 frames, got 6"),
    ],
)
def test_invalid_weights_options_are_refused_before_any_work(with_opencv, words, message):
    """The error names the missing or superfluous option, and how to get weights."""
    with pytest.raises(UsageError, match=message):
        resolved(*words)


def test_flow_without_opencv_is_refused_before_any_work(monkeypatch):
    """The error names the optional dependency."""
    monkeypatch.setattr(flow_module, "_opencv_error", lambda code: "No module named 'cv2'")
    with pytest.raises(UsageError, match=r"wsvad\[flow\]"):
        resolved("--backbone", "i3d-flow", "--weights", "random")


def test_options_of_two_streams_reach_the_configuration(with_opencv):
    """Both identities and the flow method; a flow network alone uses --weights."""
    both = resolved(
        "--backbone", "i3d-two-stream", "--weights", "random:1", "--flow-weights", "random:2", "--flow", "dis"
    )
    assert (both.features.weights, both.features.flow_weights) == ("random:1:1", "random:2:1")
    assert both.features.flow == "dis"
    assert [w.architecture for w in (both.weights.weights, both.weights.flow_weights)] == [
        "inception-rgb",
        "inception-flow",
    ]
    assert both.weights.banner
    alone = resolved("--backbone", "i3d-flow", "--weights", "random")
    assert (alone.features.flow, alone.features.flow_weights) == ("tvl1", None)
    assert alone.weights.weights.architecture == "inception-flow"


def test_weights_are_found_in_the_weights_folder_by_name(tmp_path, monkeypatch):
    """``--weights NAME`` is a file of the weights folder; one of another network is refused."""
    monkeypatch.setenv("WSVAD_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("wsvad.weights.folder.default_folder", lambda: tmp_path)
    weights = random_weights(3, "inception-compact")
    save_weights(weights, tmp_path / "mine.safetensors")
    assert resolve_backbone("i3d-compact", "mine").weights.identity == weights.digest
    assert resolve_backbone("i3d-compact", str(tmp_path / "mine.safetensors")).weights.identity == weights.digest
    with pytest.raises(WeightsError, match=r"--weights .*: not those of an RGB I3D .*\(for i3d-compact\)"):
        resolve_backbone("i3d", "mine")
    with pytest.raises(WeightsError, match="wsvad weights fetch rgb_imagenet"):
        resolve_backbone("i3d", "rgb_imagenet")


def test_the_fingerprint_of_rgb_features_has_no_flow_options():
    """Existing data sets of full I3D stay valid: the configuration has no flow keys, the fingerprint is unchanged."""
    config = FeatureConfig("sha256:0", "i3d", precision="fp32")
    assert not {"flow", "flow_weights"} & config.to_dict().keys()
    assert config.fingerprint == "52fab70ef5d748528c56921d3ff455bde576824e6defb299d4a8434ba6be2c92"
    moving = FeatureConfig("a", "i3d-two-stream", flow_weights="b", flow="tvl1")
    assert FeatureConfig.from_dict(moving.to_dict()) == moving
    assert FeatureConfig.from_dict(config.to_dict()) == config


def test_a_data_set_of_the_former_default_is_a_conflict(tmp_path):
    """The error lists the options that differ from the data set of full I3D."""
    before = FeatureConfig("random:0:1", "i3d", precision="fp32")
    claim_dataset(open_store(str(tmp_path / "out")), before)
    with pytest.raises(ConflictError, match="backbone: there 'i3d', here 'i3d-compact'"):
        claim_dataset(open_store(str(tmp_path / "out")), FeatureConfig("sha256:1", precision="fp32"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backbone": "i3d-flow"}, "needs how flow is computed"),
        ({"backbone": "i3d-flow", "flow": "farneback"}, "flow must be one of"),
        ({"backbone": "i3d-two-stream", "flow": "dis"}, "needs weights for its second network"),
        ({"flow": "dis"}, "needs no optical flow"),
        ({"flow_weights": "w"}, "needs no second weights"),
        ({"backbone": "i3d-r50", "clips": ClipSpec(4, 4)}, "at least 7 frames"),
    ],
)
def test_inconsistent_configurations_are_refused(wrong, message):
    """Dependent options are checked when a configuration is created."""
    with pytest.raises(UsageError, match=message):
        FeatureConfig("w", **wrong)


@pytest.mark.parametrize(
    ("backbone", "pooled", "cuboids"),
    [("i3d-compact", 56, [49, 160]), ("i3d", 1024, [49, 528]), ("i3d-r50", 2048, [49, 1024])],
)
def test_column_widths_equal_those_of_the_backbone(videos, tmp_path, capsys, backbone, pooled, cuboids):
    """The columns have the widths that the backbone declares."""
    out = tmp_path / "out"
    words = ("--videos", str(videos / "short.mp4"), "--out", str(out), *QUICK, "--clip-length", "8")
    assert run_here(capsys, "extract", *words, "--backbone", backbone)[0] == 0
    schema = pq.read_schema(next((out / "units").rglob("*.parquet")))
    assert schema.field("pooled").type.shape == [pooled]
    assert schema.field("cuboids").type.shape == cuboids


def test_two_streams_from_video_to_table(videos, tmp_path, capsys):
    """Flow is computed with the frames, cropped like them, and its features follow those of RGB."""
    pytest.importorskip("cv2")
    out = tmp_path / "out"
    words = ("--videos", str(videos / "short.mp4"), "--out", str(out), *QUICK, "--geometry", "ten-crop")
    more = ("--backbone", "i3d-two-stream", "--flow-weights", "random", "--flow", "dis")
    code, summary = run_here(capsys, "extract", *words, *more)
    assert (code, summary["clips"], summary["rows"]) == (0, 5, 50)
    schema = pq.read_schema(next((out / "units").rglob("*.parquet")))
    assert (schema.field("pooled").type.shape, schema.field("cuboids").type.shape) == ([2048], [49, 1056])
    assert run_here(capsys, "verify", "--out", str(out), "--json")[0] == 0
