"""Checks of external services: stores, credentials (never their values), the Ray cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import wsvad
from wsvad.doctor.report import Check, Value
from wsvad.errors import EXIT_STORAGE, EXIT_USAGE, ObjectNotFound, UsageError, WsvadError
from wsvad.storage import Store, StoreOptions, normalize_uri, open_object, open_store
from wsvad.work.address import AUTO, cluster_address, connection_problem, parse_address

_CONNECT_S = 3.0
_RAY_S = 100.0  # includes 60 s for its nodes to answer
_START_S = 90.0  # a run waits twice for Ray's start timeout of 30 s


def check_store(uri: str, options: StoreOptions) -> Check:
    """Write, overwrite and delete a probe object, to check write access and create-only writes."""
    try:
        probe = open_store(uri, options).probe()
    except WsvadError as error:
        return _unusable("store", uri, error)
    data: dict[str, Value] = {"uri": _shown(uri), "create_only": probe.create_only, "latency_s": probe.latency_s}
    honoured = "supported" if probe.create_only else "NOT supported"
    summary = f"{uri} is writable, a write takes {1000 * probe.latency_s:.0f} ms; create-only writes {honoured}"
    if not probe.create_only:
        remedy = (
            "only one writer at a time is safe, because two jobs with the same target could overwrite each other: "
            f"use a store with conditional writes ({probe.detail})"
        )
        return Check("store", "warn", summary, remedy, data)
    return Check("store", "ok", summary, data=data)


def check_source(uri: str, options: StoreOptions) -> Check:
    """List the first objects and read one byte, to check list and read access."""
    try:
        start = time.perf_counter()
        store, keys = _first_keys(uri, options)
        if keys:
            store.read_range(keys[0], 0, 1)
        elapsed_s = time.perf_counter() - start
    except WsvadError as error:
        return _unusable("videos", uri, error)
    data: dict[str, Value] = {"uri": _shown(uri), "objects": bool(keys), "probe_s": elapsed_s}
    if not keys:
        return Check("videos", "warn", f"{uri} can be listed, but is empty", "check the prefix", data)
    return Check("videos", "ok", f"{uri} can be listed and read ({elapsed_s:.2f} s)", data=data)


def _first_keys(uri: str, options: StoreOptions) -> tuple[Store, list[str]]:
    """Return the store and its first key, or the key of the object that the URI names."""
    try:
        store, key = open_object(uri, options)
        return store, [store.stat(key).key]
    except (ObjectNotFound, UsageError):  # a folder, prefix or bucket; other problems occur again below
        store = open_store(uri, options)
        return store, [info.key for info in islice(store.list(), 1)]


def _unusable(name: str, uri: str, error: WsvadError) -> Check:
    summary = f"{type(error).__name__}: {error}"
    data: dict[str, Value] = {"uri": _shown(uri), "error": type(error).__name__}
    return Check(name, "fail", summary, "see the message; then run doctor again", data, error.exit_code)


def _shown(uri: str) -> str | None:
    """Return the canonical URI, or ``None`` for an invalid one, which may contain a password."""
    try:
        return normalize_uri(uri)
    except UsageError:
        return None


def needs_credentials(*uris: str | None) -> bool:
    """Whether any of the URIs needs AWS credentials."""
    return any(uri is not None and (_shown(uri) or "").startswith("s3://") for uri in uris)


def check_credentials(options: StoreOptions) -> Check:
    """Check whether AWS credentials are found, and where; their values are not read."""
    if options.anonymous:
        return Check("credentials", "ok", "none needed: --s3-anonymous", data={"found": False, "anonymous": True})
    from wsvad.storage.s3_client import configured_by_fsspec

    configured = configured_by_fsspec()
    if not options.profile and (configured.get("anon") or configured.get("key") or configured.get("username")):
        kind = "none used" if configured.get("anon") else "found"
        data: dict[str, Value] = {
            "found": kind == "found",
            "method": "fsspec",
            "anonymous": bool(configured.get("anon")),
        }
        return Check("credentials", "ok", f"{kind}: set by fsspec's configuration (FSSPEC_S3*)", data=data)
    import botocore.exceptions  # imported here, because local files do not need it
    import botocore.session

    name = "credentials"
    try:
        session = botocore.session.Session(profile=options.profile or configured.get("profile"))
        credentials = session.get_credentials()
    except botocore.exceptions.BotoCoreError as error:
        remedy = "check --s3-profile, AWS_PROFILE and the files in ~/.aws"
        return Check(name, "fail", f"{type(error).__name__}: {error}", remedy, exit_code=EXIT_STORAGE)
    if credentials is None:
        remedy = (
            "set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role; public buckets "
            "can be read with --s3-anonymous"
        )
        return Check(name, "fail", "no AWS credentials found", remedy, {"found": False}, EXIT_STORAGE)
    profile = session.profile or "default"
    data = {"found": True, "method": credentials.method, "profile": profile}
    return Check(name, "ok", f"found: {credentials.method}, profile {profile}", data=data)


def check_ray(address: str | None, about: Mapping[str, Value] | None = None) -> Check:
    """Check the given cluster and its resources, or, without one, that a local Ray starts.

    Args:
        address: address of the cluster; defaults to ``RAY_ADDRESS``.
        about: probes for its nodes, see :mod:`wsvad.doctor.ray_probe`; the results are in the check's data.
    """
    address = cluster_address(address)
    if address is None:
        return _local_ray()
    data: dict[str, Value] = {"address": address}
    unreachable = _cannot_connect(address)
    if unreachable:
        remedy = "is `ray start --head` running there, and the port open from here?"
        return Check("ray", "fail", f"{address}: {unreachable}", remedy, data, EXIT_STORAGE)
    if address.startswith(("http://", "https://")):
        summary = f"{address} answers: it is a job server, for `ray job submit`; a driver connects to host:port"
        return Check("ray", "ok", summary, data=data)
    found = _probe_ray(address, _RAY_S, about)
    if "error" in found:
        remedy = "use the same versions of Ray and Python on both sides, and set RAY_AUTH_TOKEN or ~/.ray/auth_token"
        return Check("ray", "fail", f"{address}: {found['error']}", remedy, data | found, EXIT_STORAGE)
    summary = f"{address}: {found['nodes']} node(s), {found['cpus']:g} CPUs, {found['gpus']:g} GPUs, "
    summary += f"workers run at niceness {found['niceness']}"
    if found["niceness"]:
        summary += ", below the priority of other processes (RAY_worker_niceness of `ray start`)"
    return Check("ray", "ok", summary, data=data | found)


def _local_ray() -> Check:
    found = _probe_ray("local", _START_S)
    data: dict[str, Value] = {"address": None, **found}
    if "error" in found:
        code = found.get("exit_code", EXIT_USAGE)
        remedy = "see the message; extract, train and score need a local Ray if no cluster is given"
        return Check("ray", "fail", str(found["error"]), remedy, data, code if isinstance(code, int) else EXIT_USAGE)
    summary = f"no cluster given; a private local Ray started in {found['start_s']} s and was stopped again"
    return Check("ray", "ok", summary, data=data)


def _cannot_connect(address: str) -> str:
    """Return why no TCP connection can be made, or ``""``; ``auto`` is resolved by Ray."""
    if address == AUTO:
        return ""
    try:
        where = parse_address(address)
    except UsageError as error:
        return str(error)
    return connection_problem(where.host, where.port, _CONNECT_S)


def _probe_ray(address: str, timeout_s: float, about: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """Run the probe in a child process, because Ray may hang on an unhealthy cluster and cannot be interrupted."""
    package_parent = str(Path(wsvad.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "wsvad.doctor.ray_probe", address]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(about or {"videos": None, "out": None, "store": {}}),
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {timeout_s:g} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"error": f"the probe ended with status {done.returncode}: {last}"}
    found: dict[str, Value] = json.loads(lines[-1])
    return found


def check_ray_auth(address: str | None) -> Check:
    """Check that Ray requires a token; without one, anybody who reaches its ports can run code."""
    if cluster_address(address) is None:
        return Check("ray auth", "ok", "a local Ray requires a token of its own and listens on loopback only")
    mode = os.environ.get("RAY_AUTH_MODE", "").lower()
    source, file = _token_source()
    data: dict[str, Value] = {"mode": mode or None, "token_from": source}
    shown = f"RAY_AUTH_MODE {mode or 'is not set'}, token {'from ' + source if source else 'not found'}"
    if file is not None and file.stat().st_mode & 0o077:
        return Check("ray auth", "warn", f"{shown}, readable by other users", f"chmod 600 {file}", data)
    if mode == "token" and not source:
        return Check("ray auth", "warn", shown, "ray get-auth-token --generate, then use that token everywhere", data)
    if mode != "token":
        remedy = "set RAY_AUTH_MODE=token for `ray start` and the job; else anybody who reaches the ports can run code"
        return Check("ray auth", "warn", shown, remedy, data)
    return Check("ray auth", "ok", shown, data=data)


def _token_source() -> tuple[str | None, Path | None]:
    """Return where Ray finds a token, in Ray's order (ray.exceptions.AuthenticationError), and the file if any."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return "RAY_AUTH_TOKEN", None
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    file = Path(named) if named else Path.home() / ".ray" / "auth_token"
    if file.is_file():
        return ("RAY_AUTH_TOKEN_PATH" if named else "~/.ray/auth_token"), file
    return None, None
