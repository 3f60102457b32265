"""Run all checks: installed software, the machine, the stores and the cluster."""

from __future__ import annotations

from dataclasses import asdict

from wsvad.doctor import decoder, machine, nodes, services, software
from wsvad.doctor.report import DoctorReport, Value
from wsvad.storage import StoreOptions


def run(
    out_uri: str | None = None,
    options: StoreOptions | None = None,
    address: str | None = None,
    *,
    videos_uri: str | None = None,
) -> DoctorReport:
    """Check this machine, and the given stores and cluster.

    Takes about 10 s, most of it for a local Ray, and longer for what does not answer (a cluster: 100 s; a local Ray:
    90 s; a store: its own retries). Writes only a probe object at ``out_uri``, and Ray's files in the temporary
    folder, and removes both.

    Args:
        out_uri: store of the results, checked for write access and create-only writes.
        options: how to reach the stores; defaults to the standard AWS environment.
        address: address of the Ray cluster (``host:port``, ``ray://…``, ``auto``); defaults to ``RAY_ADDRESS``.
        videos_uri: store of the videos, checked for list and read access.

    Returns:
        All checks. Raises no exceptions; what cannot be determined is a failed check.
    """
    options = options or StoreOptions()
    checks = [
        software.check_versions(),
        software.check_torch(),
        software.check_ffmpeg(),
        decoder.check_sandbox(),
        software.check_weights(),
        machine.check_cpu(),
        software.check_devices(),
        machine.check_memory(),
        machine.check_shared_memory(),
        machine.check_disk(),
        machine.check_file_limit(),
    ]
    if videos_uri is not None:
        checks.append(services.check_source(videos_uri, options))
    if out_uri is not None:
        checks.append(services.check_store(out_uri, options))
    if services.needs_credentials(videos_uri, out_uri):
        checks.append(services.check_credentials(options))
    about: dict[str, Value] = {"videos": videos_uri, "out": out_uri, "store": asdict(options)}
    ray = services.check_ray(address, about)
    checks += [ray, *nodes.node_checks(ray.data)]
    checks.append(services.check_ray_auth(address))
    return DoctorReport(tuple(checks))
