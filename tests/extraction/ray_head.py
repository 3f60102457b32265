"""A Ray cluster as people run it: ``ray start`` on a head and a worker node, with a token; ``ray job submit``."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import stat
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.extraction.harness import REPO, until

_RAY = "import sys; from ray.scripts.scripts import main; sys.argv[0] = 'ray'; sys.exit(main())"
_LAST_STATES = ("SUCCEEDED", "FAILED", "STOPPED")


def environment_without_wsvad(folder: Path) -> Path:
    """Create a virtual environment with every package of this one except wsvad; return its folder of programs.

    Programs there find ``wsvad`` only if Ray uploads it, as on nodes where it is not installed.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    inside = next(folder.glob("lib/python3*/site-packages"))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "wsvad" not in path.name and path.suffix != ".pth":
            (inside / path.name).symlink_to(path)
    return folder / "bin"


def free_ports(count: int) -> list[int]:
    """Return ports without a listener."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class RayHead:
    """A head and worker nodes of one CPU each, on separate ports and in separate folders; ``close`` ends all by id.

    Args:
        folder: Folder of all files; its path must be short, because Ray creates sockets below it.
        workers: Number of nodes in addition to the head.
        head_cpus: CPUs of the head for tasks.
        environment: Additional environment variables of every node.
    """

    def __init__(
        self, folder: Path, *, workers: int = 1, head_cpus: int = 1, environment: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self.programs = environment_without_wsvad(folder / "env")
        (folder / "home").mkdir()
        kept = ("LANG", "LC_ALL", "TZ", "TMPDIR")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ} | {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "RAY_AUTH_MODE": "token",
            "RAY_COLOR_PREFIX": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "AWS_EC2_METADATA_DISABLED": "true",
            **(environment or {}),
        }
        self._token_file = folder / "home" / ".ray" / "auth_token"
        gcs, dashboard, agent, client, *other_agents = free_ports(4 + workers)
        self.url = f"http://127.0.0.1:{dashboard}"
        self._nodes: list[subprocess.Popen[str]] = []
        made = self.ray("get-auth-token", "--generate", umask=0o077)
        assert made.returncode == 0, made.stderr
        self.address = f"127.0.0.1:{gcs}"
        try:
            self._start(
                *("--head", f"--num-cpus={head_cpus}", "--node-ip-address=127.0.0.1", f"--port={gcs}"),
                *(f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"),
                f"--dashboard-agent-listen-port={agent}",
            )
            until(lambda: self._nodes_alive() == 1, timeout=180, every=0.3)
            for port in other_agents:
                self._start(f"--address={self.address}", "--num-cpus=1", f"--dashboard-agent-listen-port={port}")
            until(lambda: self._nodes_alive() == 1 + workers, timeout=180, every=0.3)
        except BaseException:
            self.close()
            raise

    def ray(
        self, *words: str, env: dict[str, str] | None = None, cwd: Path = REPO, umask: int = -1
    ) -> subprocess.CompletedProcess[str]:
        """Run the ``ray`` command with the token, in the repository's root."""
        return subprocess.run(
            [self.programs / "python", "-c", _RAY, *words],
            cwd=cwd,
            env=self.environment | {"RAY_API_SERVER_ADDRESS": self.url} | (env or {}),
            capture_output=True,
            text=True,
            timeout=240,
            umask=umask,
            check=False,
        )

    def submit(self, name: str, *words: str, wait: bool = False) -> subprocess.CompletedProcess[str]:
        """``ray job submit --working-dir . -- python jobs/extract.py WORDS``."""
        options = ("--submission-id", name, "--working-dir", ".", *(() if wait else ("--no-wait",)))
        return self.ray("job", "submit", *options, "--", "python", "jobs/extract.py", *words)

    def post(self, name: str, *words: str, runtime_env: dict[str, Any]) -> None:
        """Submit over HTTP, without the ``ray`` command, which takes a second to start."""
        job = {"submission_id": name, "entrypoint": shlex.join(("python", "jobs/extract.py", *words))}
        status, _ = self.request("/api/jobs/", body=job | {"runtime_env": runtime_env})
        assert status == 200

    @contextlib.contextmanager
    def workers_frozen(self) -> Iterator[None]:
        """Stop the processes of extraction actors (SIGSTOP) for the length of a ``with`` block."""
        workers = [p for node in self._nodes for p in _family(node.pid) if _name(p).startswith("ray::MapWorker")]
        assert workers
        for worker in workers:
            worker.suspend()
        try:
            yield
        finally:
            for worker in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.resume()

    def kill(self, words: str) -> int:
        """Kill every process of the nodes whose command line contains the words; return how many."""
        killed = 0
        for process in [p for node in self._nodes for p in _family(node.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                if words in " ".join(process.cmdline()):
                    process.kill()
                    killed += 1
        return killed

    def token(self) -> str:
        """The token."""
        return self._token_file.read_text()

    def token_mode(self) -> int:
        """Return the permission bits of the token's file."""
        return stat.S_IMODE(self._token_file.stat().st_mode)

    def request(self, path: str, *, token: str | None = None, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Query the job server, by default with the right token; return the HTTP status and its JSON, if any."""
        token = self._token_file.read_text() if token is None else token
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None

    def wait_for_end(self, name: str, timeout: float = 300) -> dict[str, Any]:
        """Wait for a job's end; return its record from the job server."""
        end = time.monotonic() + timeout
        while (job := self.request(f"/api/jobs/{name}")[1])["status"] not in _LAST_STATES:
            assert time.monotonic() < end, job
            time.sleep(0.2)
        return job

    def logs(self, name: str) -> str:
        """Return the output of ``ray job logs`` of a job."""
        return str(self.request(f"/api/jobs/{name}/logs")[1]["logs"])

    def working_directories(self) -> list[Path]:
        """Return the copies of working directories in which jobs ran."""
        return [p for p in self._folder.glob("ray*/session_2*/runtime_resources/working_dir_files/*") if p.is_dir()]

    def close(self) -> None:
        """Kill both nodes at once, by id. (A node asked to stop waits up to 30 s for its actors to move.)"""
        own = [p for node in self._nodes for p in _family(node.pid)]
        for process in own:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(own, timeout=10)
        for node in self._nodes:
            node.wait()

    def _start(self, *words: str) -> None:
        number = len(self._nodes)
        # A temporary folder each, as on two machines: nodes that share one delete each other's copy of a package
        (self._folder / f"ray{number}").mkdir()
        with (self._folder / f"node{number}.log").open("w") as log:
            self._nodes.append(
                subprocess.Popen(
                    [
                        *(self.programs / "python", "-c", _RAY, "start", "--block", "--num-gpus=0"),
                        *("--object-store-memory=100000000", "--min-worker-port=0", "--max-worker-port=0"),
                        f"--temp-dir={self._folder / f'ray{number}'}",
                        *words,
                    ],
                    cwd=self._folder,
                    env=self.environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    text=True,
                    start_new_session=True,
                )
            )

    def _nodes_alive(self) -> int:
        for number, node in enumerate(self._nodes):
            assert node.poll() is None, (self._folder / f"node{number}.log").read_text()
        try:
            _, reply = self.request("/nodes?view=summary")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return 0
        return sum(n["raylet"].get("state") == "ALIVE" for n in reply["data"]["summary"]) if reply else 0


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""
