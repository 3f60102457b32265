"""Copies of a sweep to MLflow and Weights & Biases: every training once, the sweep's values, no secrets."""

from __future__ import annotations

import json
import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tuning.sweeps import run_tune, sweep_command
from wsvad.cli import main
from wsvad.errors import EXIT_STORAGE, EXIT_USAGE

# raised by MLflow's use of SQLAlchemy
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")

NO_RAY = ("--no-ray",)


@pytest.fixture
def tracked(swept: Path, tmp_path: Path) -> Path:
    """A copy of a finished sweep that the test may change."""
    return Path(shutil.copytree(swept, tmp_path / "out"))


def mlflow_runs(database: Path) -> list[Any]:
    """Return the runs of all experiments, read with MLflow's client."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    return list(client.search_runs([e.experiment_id for e in client.search_experiments()], max_results=1000))


def wandb_records(folder: Path) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield configuration and history of every offline run, read from its log."""
    from wandb.proto import wandb_internal_pb2

    for path in sorted((folder / "wandb").glob("offline-run-*/run-*.wandb")):
        config: dict[str, Any] = {}
        history = []
        for data in log_records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            for item in record.run.config.update:
                config[item.key] = json.loads(item.value_json)
            if record.WhichOneof("record_type") == "history":
                items = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
                history.append(items)
        yield config, history


def log_records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a log in LevelDB format, which W&B writes after a header of 7 bytes."""
    at, record = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # the rest of a block is too short for a record header
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a full record, or its last part
            yield record
            record = b""


def figures_of(out: Path) -> dict[tuple[int, int], tuple[int, float]]:
    """Return last step and frame AUC by trial and seed, from the trials table."""
    import pyarrow.parquet as pq

    table = pq.read_table(out / "trials.parquet").to_pylist()
    return {(row["trial"], row["seed"]): (row["steps"], row["frame_auc"]) for row in table}


def test_mlflow_has_every_training_once(planted_sweep, tracked, tmp_path, capsys):
    """A second run copies nothing; after an extension only the new trainings are copied."""
    database = tmp_path / "mlflow.db"
    words = sweep_command(planted_sweep, str(tracked), *NO_RAY, "--mlflow", str(database))
    for more in ((), (), ("--extend", "--fresh-seeds", "3")):
        assert run_tune(capsys, *words, *more)[0] == 0
        runs = mlflow_runs(database)
        found = {
            (int(run.data.params["trial"]), int(run.data.params["seed"])): (
                int(run.data.params["steps"]),
                run.data.metrics["frame_auc"],
            )
            for run in runs
        }
        assert len(runs) == len(found)
        assert found == figures_of(tracked)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(float(run.data.params["lr"]) > 0 for run in runs)


def test_interrupted_copy_is_finished(planted_sweep, tracked, tmp_path, capsys, monkeypatch):
    """A training whose copy was interrupted is completed and exists once."""
    from mlflow.tracking import MlflowClient

    database = tmp_path / "mlflow.db"
    words = sweep_command(planted_sweep, str(tracked), *NO_RAY, "--mlflow", f"sqlite:///{database}")
    finish, ended = MlflowClient.set_terminated, []

    def ends(self, *rest):
        if len(ended) == 3:
            raise KeyboardInterrupt
        ended.append(rest)
        finish(self, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_terminated", ends)
        assert main(words) == 130
    assert len(mlflow_runs(database)) == 4
    assert run_tune(capsys, *words)[0] == 0
    runs = mlflow_runs(database)
    assert len(runs) == len(figures_of(tracked))
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_wandb_has_every_training_once(planted_sweep, tracked, tmp_path, capsys):
    """Complete offline runs in the given folder, and nothing else."""
    folder = tmp_path / "tracked"
    words = sweep_command(planted_sweep, str(tracked), *NO_RAY, "--wandb", str(folder))
    for _ in range(2):
        assert run_tune(capsys, *words)[0] == 0
        found = {
            (config["trial"], config["seed"]): (history[-1]["_step"], history[-1]["frame_auc"])
            for config, history in wandb_records(folder)
        }
        assert found == figures_of(tracked)
        assert len(list((folder / "wandb").iterdir())) == len(found)
        assert [path.name for path in folder.iterdir()] == ["wandb"]


def test_unreachable_server(planted_sweep, tracked, capsys, caplog, monkeypatch):
    """The sweep is complete, the failure is reported, and no password is in the message or in the sweep."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://user:PLANTED@127.0.0.1:{unused.getsockname()[1]}"
    (tracked / "report.html").unlink()  # so that the sweep writes its results again
    code, _ = run_tune(capsys, *sweep_command(planted_sweep, str(tracked), *NO_RAY, "--mlflow", uri))
    assert code == EXIT_STORAGE
    assert "--mlflow" in caplog.text
    assert "The sweep itself is complete" in caplog.text
    assert (tracked / "report.html").exists()
    assert "PLANTED" not in caplog.text
    assert not [path for path in tracked.rglob("*") if path.is_file() and b"PLANTED" in path.read_bytes()]


@pytest.mark.parametrize(
    ("words", "absent", "message"),
    [
        (("--mlflow", "mlflow.db"), "mlflow", "pip install 'wsvad[mlflow]'"),
        (("--mlflow", "mlflow.db"), "sqlalchemy", "pip install 'wsvad[mlflow]'"),
        (("--wandb", "runs"), "wandb", "pip install 'wsvad[wandb]'"),
        (("--mlflow", "mlruns"), "", "no longer maintains"),
        (("--wandb", "https://api.wandb.ai"), "", "a local folder"),
        (("--wandb", "FILE"), "", "a local folder"),
    ],
)
def test_refused_before_any_work(planted_sweep, tmp_path, caplog, monkeypatch, words, absent, message):
    """A tracker that is not installed, or an invalid location."""
    import wsvad.tuning.trackers as module

    real = module.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == absent else real(name))
    (tmp_path / "file").touch()
    words = [str(tmp_path / "file") if word == "FILE" else word for word in words]
    assert main(sweep_command(planted_sweep, str(tmp_path / "out"), *NO_RAY, *words)) == EXIT_USAGE
    assert message in caplog.text
    assert not (tmp_path / "out").exists()
