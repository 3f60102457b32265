"""Import runs: repeated, with changed files, between stores, and followed by training and scoring."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.importing.data import features, run_import, save, save_crops
from tests.services.fault_proxy import Fault, Rule
from wsvad.cli import main
from wsvad.features.imported import ImportedConfig
from wsvad.features.reading import FeatureSet
from wsvad.manifest.records import VideoRecord, write_records
from wsvad.storage import StoreOptions, open_store


def _stored(root, options=None):
    return {i.key: (i.mtime_ns, i.etag, i.size) for i in open_store(str(root), options).list()}


def test_a_second_run_does_nothing(capsys, tmp_path):
    """No object changes, and verify reports no faults."""
    files = save(tmp_path / "in", {"a.npy": features(4), "b.npy": features(9)})
    code, dry = run_import(capsys, files, tmp_path / "out", "--dry-run")
    assert (code, dry["units_to_do"], dry["snapshot"]) == (0, 2, None)
    assert not (tmp_path / "out").exists()
    assert run_import(capsys, files, tmp_path / "out")[1]["units_to_do"] == 2
    before = _stored(tmp_path / "out")
    code, summary = run_import(capsys, files, tmp_path / "out")
    assert (code, summary["units_to_do"], summary["units_done_before"]) == (0, 0, 2)
    assert _stored(tmp_path / "out") == before
    assert main(["verify", "--out", str(tmp_path / "out"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["clips"], report["expected_clips"], report["faults"]) == (13, 13, [])


def test_only_changed_files_are_imported_again(capsys, tmp_path):
    """All are imported again if the frame rate changes, because times depend on it; other videos are added."""
    files = save(tmp_path / "in", {"a.npy": features(4), "b.npy": features(9)})
    run_import(capsys, files, tmp_path / "out")
    save(tmp_path / "in", {"a.npy": features(6, seed=1)})
    assert run_import(capsys, files, tmp_path / "out")[1]["units_to_do"] == 1
    read = FeatureSet.open(str(tmp_path / "out")).load("a").pooled_TVD
    np.testing.assert_array_equal(read, features(6, seed=1).astype(np.float16))
    assert run_import(capsys, files, tmp_path / "out", "--fps", "50")[1]["units_to_do"] == 2
    more = save(tmp_path / "more", {"c.npy": features(2)})
    assert run_import(capsys, more, tmp_path / "out")[1]["snapshot"] == "snapshots/00000004.json"
    there = FeatureSet.open(str(tmp_path / "out"))
    assert there.video_ids == ("a", "b", "c")
    assert there.load("a").end_s[0] == 16 / 50


def test_units_of_a_failed_run_are_reused(capsys, tmp_path):
    """An invalid file prevents publishing; once it is corrected only its video is left to do."""
    bad = features(3)
    bad[0, 0, 0] = np.nan
    files = save(tmp_path / "in", {"a.npy": features(4), "b.npy": bad})
    assert run_import(capsys, files, tmp_path / "out")[0] == 2
    save(tmp_path / "in", {"b.npy": features(3)})
    code, summary = run_import(capsys, files, tmp_path / "out")
    assert (code, summary["units_done_before"], summary["units_to_do"]) == (0, 1, 1)


def test_same_files_give_the_same_bytes(capsys, tmp_path):
    """Also from another folder: objects contain no time, host or path."""
    sums = []
    for place in ("one", "two"):
        files = save(tmp_path / place, {"a.npy": features(4)})
        run_import(capsys, files, tmp_path / f"{place}-out")
        units = [p for p in (tmp_path / f"{place}-out").rglob("*.parquet") if "units" in p.parts]
        table = FeatureSet.open(str(tmp_path / f"{place}-out")).load("a")
        sums.append((len(units), table.pooled_TVD.tobytes(), table.start_s.tobytes()))
    assert sums[0] == sums[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [(("--source", "x"), "weights: there 'imported:made by a test', here 'imported:x'"),
     (("--clip-stride", "8"), "clips.stride: there 16, here 8")],
)  # fmt: skip
def test_other_configurations_are_a_conflict(capsys, caplog, tmp_path, words, message):
    """Exit code 5, with what differs; nothing is changed."""
    files = save(tmp_path / "in", {"a.npy": features(4)})
    run_import(capsys, files, tmp_path / "out")
    before = _stored(tmp_path / "out")
    assert run_import(capsys, files, tmp_path / "out", *words)[0] == 5
    assert message in caplog.text
    assert _stored(tmp_path / "out") == before


def test_another_video_with_the_same_id_is_a_conflict(capsys, caplog, tmp_path):
    """Features of one training set must not silently replace those of another."""
    run_import(capsys, save(tmp_path / "in", {"a.npy": features(4)}), tmp_path / "out")
    assert run_import(capsys, save(tmp_path / "other", {"a.npy": features(6)}), tmp_path / "out")[0] == 5
    assert "another video with the same id" in caplog.text


def test_provenance(capsys, tmp_path):
    """The run record has options, versions and inputs; the configuration differs from any extraction's."""
    files = save(tmp_path / "in", {"a.npy": features(4)})
    _, summary = run_import(capsys, files, tmp_path / "out")
    (record,) = (json.loads(p.read_bytes()) for p in (tmp_path / "out/runs").iterdir())
    assert record["config"]["source"] == "made by a test"
    assert len(record["config"]["inputs_sha256"]) == 64
    assert record["versions"]["numpy"] == np.__version__
    config = FeatureSet.open(str(tmp_path / "out")).config
    assert (config["backbone"], config["weights"], config["cuboids"]) == ("imported", "imported:made by a test", False)
    assert ImportedConfig("made by a test", None, 10, 6).fingerprint != summary["fingerprint"]


def test_option_file(capsys, tmp_path):
    """Its keys are the options; a list sets a repeatable option."""
    files = save(tmp_path / "in", {"a_x.npy": features(4)})
    options = tmp_path / "o.toml"
    options.write_text(f'files = {json.dumps(files)}\nsource = "s"\nstrip = ["_y", "_x"]\nclip-length = 8\n')
    assert main(["import-features", "--config", str(options), "--out", str(tmp_path / "out")]) == 0
    assert "imported" not in capsys.readouterr().err
    there = FeatureSet.open(str(tmp_path / "out"))
    assert (there.video_ids, there.config["clips"]["length"]) == (("a",), 8)


def test_from_bucket_to_bucket(capsys, tmp_path, s3_bucket, moto_server, fault_proxy):
    """Through a proxy that injects faults, with unusual names; a second run does nothing."""
    options = StoreOptions(endpoint_url=moto_server.url)
    store = open_store(f"s3://{s3_bucket}/in", options)
    values = features(30, 2)
    save_crops(tmp_path, "A.B__#00-01_label_A", values)
    for path in tmp_path.glob("*.npy"):
        store.create(f"RGB test/{path.name}", path.read_bytes())
    fault_proxy.add(
        Rule(Fault.TRUNCATE, method="GET", path="in/", times=1),
        Rule(Fault.LOST_REPLY, method="PUT", path="units/", times=1),
    )
    words = (f"s3://{s3_bucket}/in", f"s3://{s3_bucket}/out", "--s3-endpoint-url", fault_proxy.url)
    assert run_import(capsys, *words)[0] == 0
    there = FeatureSet.open(f"s3://{s3_bucket}/out", options)
    np.testing.assert_array_equal(there.load("A.B__#00-01_label_A").pooled_TVD, values.astype(np.float16))
    before = _stored(f"s3://{s3_bucket}/out", options)
    assert run_import(capsys, *words)[1]["units_to_do"] == 0
    assert _stored(f"s3://{s3_bucket}/out", options) == before


def test_import_train_score_evaluate(capsys, caplog, tmp_path):
    """Training and test sets that are published separately: a model of one scores the other. Videos are rejected."""
    records = []
    rng = np.random.default_rng(0)
    for number in range(24):
        anomalous, test = number % 2, number >= 18
        records.append(
            VideoRecord(
                f"v{number:02d}.mp4",
                f"v{number:02d}.mp4",
                label=anomalous,
                split="test" if test else "train",
                spans=((32, 80),) if anomalous and test else None,
            )
        )
        values = rng.random((8 + number % 3, 2, 8), dtype=np.float32)
        values[2:5, :, 0] += 4.0 * anomalous
        save_crops(tmp_path / ("test" if test else "train"), f"v{number:02d}_i3d", values)
    write_records(str(tmp_path / "m.csv"), records)
    out = {name: str(tmp_path / "out" / name) for name in ("train", "test", "run", "scores", "report")}
    for part in ("train", "test"):
        words = ("--manifest", str(tmp_path / "m.csv"), "--id-suffix", ".mp4")
        assert run_import(capsys, str(tmp_path / part), out[part], *words)[0] == 0
    shared = ["--manifest", str(tmp_path / "m.csv")]
    steps = ["--steps", "40", "--pairs", "4", "--segments", "8", "--val-fraction", "0", "--lr", "0.01"]
    assert main(["train", "--features", out["train"], *shared, "--model", "sultani", "--no-ray", *steps,
                 "--out", out["run"]]) == 0  # fmt: skip
    checkpoint = ["--checkpoint", f"{out['run']}/checkpoint"]
    assert "imported:made by a test" in (tmp_path / "out/run/checkpoint/README.md").read_text()
    assert main(["score", "--features", out["test"], *checkpoint, "--no-ray", "--out", out["scores"]]) == 0
    capsys.readouterr()
    assert main(["evaluate", "--scores", out["scores"], *shared, "--out", out["report"],
                 "--resamples", "0", "--no-frames"]) == 0  # fmt: skip
    figures = json.loads((tmp_path / "out/report/report.json").read_text())
    assert figures["metrics"]["frame_auc"]["value"] > 0.9
    assert main(["score", "--videos", str(tmp_path), *checkpoint, "--out", str(tmp_path / "x")]) == 2
    assert "cannot be computed from videos" in caplog.text
