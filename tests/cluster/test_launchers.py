"""Files for ``ray up``, units of systemd, the DAG and the crontab: valid, and careful with the token."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import jinja2
import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.docker import docker_start_cmds
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.cluster.manifests import CLUSTER
from wsvad.errors import UsageError
from wsvad.work.pool import Node, PoolOptions, fit_pool

UP = sorted((CLUSTER / "ray-up").glob("*.yaml"))
UNITS = sorted(p for p in (CLUSTER / "systemd").iterdir() if p.suffix in (".service", ".timer"))


def _config(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", UP, ids=lambda path: path.name)
def test_ray_up_takes_the_file(path):
    """By Ray's own schema as the file is, and by what ``ray up`` does to it before it asks any cloud."""
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(_config(path), schema)
    validate_config(prepare_config(_config(path)))
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config(_config(path) | {"dockers": {}}))


@pytest.mark.parametrize("path", UP, ids=lambda path: path.name)
def test_the_token_is_where_ray_start_runs(path):
    """Inside of the container: a folder is mounted, and the environment names a file in it. Never the token itself."""
    config = _config(path)
    options = " ".join(config["docker"]["run_options"])
    assert "-e RAY_AUTH_MODE=token" in options
    (token,) = re.findall(r"-e RAY_AUTH_TOKEN_PATH=(\S+)", options)
    (mounted,) = config["file_mounts"]
    assert token == f"{mounted}/auth_token"
    assert "RAY_AUTH_TOKEN=" not in path.read_text()
    started = docker_start_cmds(
        "wsvad", "image", config["file_mounts"], "wsvad", [options], "wsvad", "/home/wsvad", "docker"
    )
    assert f"{mounted}:{mounted} " in started
    assert not any("RAY_AUTH" in line for line in config["initialization_commands"] + config["setup_commands"])
    assert "privileged" not in options.replace("no-new-privileges", "")


@pytest.mark.parametrize("path", UP, ids=lambda path: path.name)
def test_the_head_has_no_units_and_the_same_image(path):
    """And an image with a version; nothing is installed when machines start."""
    config = _config(path)
    assert re.fullmatch(r"[\w./-]+:\d[\w.-]+", config["docker"]["image"])
    head = " ".join(config["head_start_ray_commands"])
    assert "--num-cpus=0" in head
    assert "--dashboard-host=127.0.0.1" in head
    assert config["setup_commands"] == config["head_setup_commands"] == config["worker_setup_commands"] == []


def test_workers_are_there_before_a_job_asks():
    """A job counts the nodes when it starts and is refused without any, so nothing would ever bring up a first one."""
    config = _config(CLUSTER / "ray-up" / "aws.yaml")
    worker = config["available_node_types"]["worker"]
    assert worker["min_workers"] == worker["max_workers"] == config["max_workers"]
    with pytest.raises(UsageError, match="no node can hold one"):
        fit_pool(PoolOptions(), [Node(0.0, 0.0, 8e9)])


def _unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text())
    return parser


@pytest.mark.parametrize("path", [u for u in UNITS if u.suffix == ".service"], ids=lambda path: path.name)
def test_services_run_as_nobody_in_particular_and_keep_the_token(path):
    """No root; the token by LoadCredential, in no environment and no file that the service's user can read at rest."""
    service = _unit(path)["Service"]
    assert service["User"] == "wsvad"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["LoadCredential"].startswith("ray-token:")
    assert "RAY_AUTH_TOKEN_PATH=%d/ray-token" in path.read_text()
    assert "RAY_AUTH_TOKEN=" not in path.read_text()
    if "ray start" in service["ExecStart"]:
        assert "--block" in shlex.split(service["ExecStart"])
        assert service["Restart"] == "always"
        assert service["KillMode"] == "control-group"


def test_the_timer_catches_up_and_the_night_does_not_restart_itself():
    """A night that was missed is made when the machine is up; what is tried again is again.py's."""
    timer, night = _unit(CLUSTER / "systemd" / "wsvad-night.timer"), _unit(CLUSTER / "systemd" / "wsvad-night.service")
    assert timer["Timer"]["Persistent"] == "yes"
    assert night["Service"]["Type"] == "oneshot"
    assert "Restart" not in night["Service"]
    assert night["Service"]["SuccessExitStatus"] == "3"


def test_systemd_itself_has_nothing_to_say(tmp_path):
    """``systemd-analyze verify``, with programs in the place of ours; it needs no running systemd."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze: apt-get install -y --no-install-recommends systemd")
    for path in UNITS:
        text = re.sub(r"^(Exec\w+=)\S+", r"\1/bin/true", path.read_text(), flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text)
    (tmp_path / "rotten.service").write_text("[Service]\nExecStart=/bin/true\nRestrat=always\n")
    good = [str(tmp_path / path.name) for path in UNITS]
    done = subprocess.run([program, "verify", "--man=no", *good], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    bad = subprocess.run(
        [program, "verify", "--man=no", str(tmp_path / "rotten.service")], capture_output=True, text=True, check=False
    )
    assert "Restrat" in bad.stderr


def test_the_dag_runs_one_night_at_a_time():
    """Read as text: Airflow is not among our requirements."""
    tree = ast.parse((CLUSTER / "airflow" / "wsvad_night.py").read_text())
    (dag,) = (n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "DAG")
    settings = {k.arg: k.value for k in dag.keywords}
    assert ast.literal_eval(settings["max_active_runs"]) == 1
    assert ast.literal_eval(settings["catchup"]) is False
    assert ast.literal_eval(settings["default_args"]) == {"retries": 0}


def test_every_run_of_the_dag_has_an_id_that_ray_takes():
    """Also one by hand, which has no logical date (``ds``) in Airflow 3, a second that day, and a cleared task."""
    tree = ast.parse((CLUSTER / "airflow" / "wsvad_night.py").read_text())
    (text,) = (
        ast.literal_eval(k.value) for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords
        if k.arg == "bash_command"
    )  # fmt: skip
    template = jinja2.Template(text, undefined=jinja2.StrictUndefined)
    tasks = [{"id": uuid.uuid4(), "try_number": turn} for turn in (1, 1, 2)]
    made = [shlex.split(template.render(ti=task)) for task in tasks]
    names = [words[words.index("--submission-id") + 1] for words in made]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)


@pytest.mark.parametrize("unit", ["wsvad-night", "wsvad-ray-head", "wsvad-ray-worker"])
def test_units_say_what_a_root_in_a_folder_needs(unit):
    """ProtectSystem=strict leaves nothing else writable, and a folder is as good a root as a bucket."""
    text = (CLUSTER / "systemd" / f"{unit}.service").read_text()
    assert re.search(r"^# .*folder.*\nReadWritePaths=/tmp /dev/shm", text, re.MULTILINE)


def test_the_readme_makes_what_units_and_crontab_need():
    """User, folders and programs that they name are made by lines of the README before they are used."""
    lines = re.findall(r"^# (.*)$", (CLUSTER / "README.md").read_text(), re.MULTILINE)
    before = "\n".join(lines[: next(n for n, line in enumerate(lines) if "systemctl enable" in line)])
    assert "useradd --system" in before
    for needed in ("python3.11 -m venv /opt/wsvad", "/opt/wsvad/bin/pip install", "/etc/wsvad", "/var/log/wsvad"):
        assert needed in before
    assert before.index("/etc/wsvad") < before.index("/etc/wsvad/ray-token")


def test_the_crontab_has_every_field():
    """Five of time, a user, and a command; variables before them."""
    lines = [x for x in (CLUSTER / "cron" / "wsvad-night").read_text().splitlines() if x and not x.startswith("#")]
    *variables, job = lines
    assert all(re.fullmatch(r"[A-Z_]+=\S+", line) for line in variables)
    fields = job.split()
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields[:5])
    assert fields[5] == "wsvad"
    assert "%" not in job  # cron takes it for the end of the line
