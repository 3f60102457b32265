"""Start a private local Ray, or connect to an existing cluster."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import grpc
import ray
from ray._private import ray_constants, services
from ray._private.grpc_utils import init_grpc_channel
from ray._private.worker import global_worker
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

from wsvad import signals
from wsvad.errors import ClusterError, UsageError, WsvadError
from wsvad.work.address import AUTO, connection_problem, parse_address

log = logging.getLogger(__name__)

_LOOPBACK = "127.0.0.1"
_LOCAL_OBJECT_STORE_BYTES = 300 << 20  # weights and small receipts; frames never pass through it
_SLOW_START = "timed out during startup"  # Ray's message if startup takes more than 30 s
_LONG_PATH = "AF_UNIX path length"  # Ray's message if a socket path exceeds the limit of Linux
_LONGEST_PATH = 107
_SOCKET = "session_2026-01-01_00-00-00_000000_/sockets/plasma_store"  # the longest path below its folder, without pid
_FOLDER_ERRNOS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_ANSWER_S = 4.0
NICENESS = "RAY_worker_niceness"
_core: Any = ray._raylet  # Ray publishes only part of its types
_messages: Any = gcs_service_pb2
_AUTH = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextlib.contextmanager
def local_ray(num_cpus: int, **options: Any) -> Iterator[None]:
    """Run a private local Ray for the duration of a ``with`` block.

    It listens on the loopback interface only, requires a random token that is in no file, and keeps its files in a
    folder with mode 700 that is removed at the end. It does not need the home directory.

    Args:
        num_cpus: number of cores.
        options: further arguments of ``ray.init``.

    Raises:
        UsageError: Ray cannot start with this machine's configuration.
        ClusterError: Ray did not start.
    """
    folder = _private_folder()
    try:
        with signals.deferred():  # an interrupted start leaves processes behind
            _start(num_cpus, folder, options)
        yield
    finally:
        with signals.deferred():
            ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def _base() -> str:
    return os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()


def _private_folder() -> str:
    """Create a folder with a short name: paths of the sockets in it are limited to 107 bytes."""
    while True:
        path = os.path.join(_base(), f"ray{secrets.token_hex(2)}")
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise _folder_error(error) from error
        if len(os.fsencode(path)) + len(f"/r/{_SOCKET}{os.getpid()}") > _LONGEST_PATH:
            os.rmdir(path)
            raise _path_too_long()
        return path


def _start(num_cpus: int, folder: str, options: dict[str, Any]) -> None:
    """Start Ray; retry once if the machine is too busy for Ray's startup timeout of 30 s."""
    for retry in (True, False):
        try:
            with _own_token(), _loopback(), _niceness():
                ray.init(
                    address="local",
                    num_cpus=num_cpus,
                    object_store_memory=_LOCAL_OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    _node_ip_address=_LOOPBACK,
                    # a subfolder, because Ray makes its folder accessible to everybody
                    _temp_dir=os.path.join(folder, "r"),
                    **options,
                )
            return
        except OSError as error:
            raise _folder_error(error) from error
        except Exception as error:  # Ray raises a plain Exception
            if not retry or signals.arrived() or _SLOW_START not in str(error):
                raise ClusterError(f"cannot connect to a local Ray: {error}") from error
            log.debug("Ray did not start in time, retrying: %s", error)
            ray.shutdown()


def _folder_error(error: OSError) -> WsvadError:
    where = f"cannot start a local Ray with its files below {_base()}"
    if _LONG_PATH in str(error):
        return _path_too_long()
    if error.errno in _FOLDER_ERRNOS:
        return UsageError(f"{where}: {error.strerror}; set RAY_TMPDIR to an existing, writable folder")
    return ClusterError(f"{where}: {error}")


def _path_too_long() -> UsageError:
    return UsageError(
        f"cannot start a local Ray with its files below {_base()}: the paths of its sockets would exceed the limit of "
        f"Linux ({_LONGEST_PATH} bytes); set RAY_TMPDIR to a folder with a short path, e.g. RAY_TMPDIR=/tmp"
    )


@contextlib.contextmanager
def _niceness() -> Iterator[None]:
    """Run workers at the niceness of this process. With Ray's default of 15, every other process takes precedence.

    ``RAY_worker_niceness`` in the environment overrides this.
    """
    given = os.environ.get(NICENESS)
    os.environ[NICENESS] = given or "0"  # relative to the niceness of this process
    try:
        yield
    finally:
        if given is None:
            del os.environ[NICENESS]


@contextlib.contextmanager
def _own_token() -> Iterator[None]:
    """Set a random token in the environment that Ray's processes inherit, and remove it from this process afterwards.

    Ray enables token authentication by itself if the environment does not disable it.
    """
    before = {name: os.environ.pop(name, None) for name in _AUTH}
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    _reset_token_cache()
    try:
        yield
    finally:
        _set_environment(before)


def _reset_token_cache() -> None:
    """Make Ray read the token again, unless a connection is open, which would then be refused.

    Ray ends the process when it is refused.
    """
    if not global_worker.connected:
        _core.AuthenticationTokenLoader.instance().reset_cache()


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Make Ray use 127.0.0.1 as the node's address, which it does only if clusters are disabled."""
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def cluster_ray(address: str, **options: Any) -> Iterator[None]:
    """Connect to a cluster for the duration of a ``with`` block. Token, TLS and client settings are Ray's own.

    Args:
        address: ``host:port``, ``ray://host:port`` or ``auto``.
        options: further arguments of ``ray.init``.

    Raises:
        UsageError: the address is invalid.
        ClusterError: no cluster answers within 10 s, or it cannot be joined.
    """
    _reset_token_cache()  # of an earlier local Ray
    if not global_worker.connected:  # reset the configuration of an earlier local Ray, including its authentication
        _core.Config.initialize("")
    require_reachable(address)
    try:
        with signals.deferred():
            try:
                ray.init(address=address, **options)
            except Exception as error:  # Ray sometimes raises a plain Exception
                raise ClusterError(f"cannot connect to the Ray cluster at {address}: {error}") from error
        yield
    finally:
        with signals.deferred():
            ray.shutdown()


def require_reachable(address: str) -> None:
    """Check within 10 s whether a cluster answers. Ray itself retries silently for many minutes.

    Raises:
        UsageError: the address is not that of a cluster.
        ClusterError: no cluster answers.
    """
    where = f"the Ray cluster at {address}"
    target: str | None = address
    if address == AUTO:
        try:
            target = services.canonicalize_bootstrap_address(AUTO)
        except (ConnectionError, ValueError) as error:
            raise ClusterError(
                "cannot find a Ray cluster on this machine; is `ray start --head` running here?"
            ) from error
        where += f" ({target})"
    scheme, host, port = parse_address(target or address)
    if scheme.startswith("http"):
        raise UsageError(
            f"{address} is the address of a job server, for `ray job submit`; expected host:port or ray://host:port"
        )
    if not scheme:
        host = services.resolve_ip_for_localhost(host)  # the address that Ray connects to
    problem = connection_problem(host, port)
    if problem:
        problem += "; is `ray start --head` running there, and the port open from here?"
    problem = problem or _why_no_answer(scheme, host, port)
    if problem:
        raise ClusterError(f"cannot connect to {where}: {problem}")


def _why_no_answer(scheme: str, host: str, port: int) -> str:
    """Return why the service at an address is not a usable Ray, or ``""`` if it is one."""
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    channel = init_grpc_channel(name, ray_constants.GLOBAL_GRPC_OPTIONS)
    try:
        if scheme:
            grpc.channel_ready_future(channel).result(timeout=_ANSWER_S)
        else:
            stub = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
            stub.CheckAlive(_messages.CheckAliveRequest(), timeout=_ANSWER_S)
    except grpc.FutureTimeoutError:
        return "the port is open, but no Ray answers"
    except grpc.RpcError as error:
        code = error.code()
        if code is grpc.StatusCode.UNAUTHENTICATED:
            return "it requires a token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or ~/.ray/auth_token"
        return f"the port is open, but no Ray answers ({code.name})"
    finally:
        channel.close()
    return ""
