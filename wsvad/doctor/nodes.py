"""Checks of a cluster's nodes, from the results of a probe that ran on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wsvad.doctor.decoder import check_sandbox
from wsvad.doctor.machine import GIB, check_cpu, memory_bytes
from wsvad.doctor.report import Check, Value
from wsvad.doctor.services import check_source, check_store
from wsvad.errors import EXIT_STORAGE
from wsvad.storage import StoreOptions
from wsvad.work.software import installed_versions, shorten, version_differences

_MIN_MEMORY = 2 * GIB
_CONSTRAINTS = "pip install -c constraints.txt . on every node, and restart Ray there"

Answer = Mapping[str, Any]
"""Result of :func:`probe_node` on a node."""


def probe_node(videos_uri: str | None, out_uri: str | None, options: StoreOptions) -> dict[str, Any]:
    """Probe the node that it runs on. Returns ``versions``, ``bf16``, ``cpu``, ``memory`` (bytes), and, each as
    ``[status, summary]``, ``sandbox`` and the stores ``videos`` and ``out``, where a URI is given. Uses the node's
    credentials.
    """
    cpu = check_cpu()
    found: dict[str, Any] = {
        "versions": installed_versions(),
        "bf16": bool(cpu.data["bf16"]),
        "cpu": str(cpu.data["model"]),
        "memory": memory_bytes()[0],
        "sandbox": _status_and_summary(check_sandbox()),
    }
    if videos_uri is not None:
        found["videos"] = _status_and_summary(check_source(videos_uri, options))
    if out_uri is not None:
        found["out"] = _status_and_summary(check_store(out_uri, options))
    return found


def _status_and_summary(check: Check) -> list[str]:
    return [check.status, check.summary]


def node_checks(found: Mapping[str, Any]) -> list[Check]:
    """Return checks of the nodes' software, processors and memory, and of the stores as seen from each node.

    Args:
        found: result of :mod:`wsvad.doctor.ray_probe`, with ``answers`` (results of :func:`probe_node` by node name)
            and ``silent`` (names of nodes that did not answer), or ``nodes_error``. Without these, there are no checks.
    """
    if "nodes_error" in found:
        summary = f"a node cannot run wsvad: {found['nodes_error']}"
        return [Check("node versions", "fail", summary, f"{_CONSTRAINTS}; or run doctor with ray job submit")]
    if "answers" not in found:
        return []
    answers: Mapping[str, Answer] = found["answers"]
    silent: Sequence[str] = found["silent"]
    checks = [_same_software(answers, silent), _bf16(answers), _memory(answers), _sandbox(answers)]
    return checks + [_stores(name, answers) for name in ("videos", "out") if any(name in a for a in answers.values())]


def _same_software(answers: Mapping[str, Answer], silent: Sequence[str]) -> Check:
    name = "node versions"
    data: dict[str, Value] = {node: dict(answer["versions"]) for node, answer in answers.items()}
    if silent:
        summary = f"no answer from {shorten(sorted(silent))}"
        return Check(name, "fail", summary, "check `ray status`; then run doctor again", data, EXIT_STORAGE)
    different = version_differences(
        installed_versions(), {node: answer["versions"] for node, answer in answers.items()}
    )
    if different:
        return Check(name, "fail", "; ".join(different), _CONSTRAINTS, data)
    return Check(name, "ok", f"the same on {len(answers)} node(s) as here", data=data)


def _bf16(answers: Mapping[str, Answer]) -> Check:
    name = "node bf16"
    without = [node for node, answer in answers.items() if not answer["bf16"]]
    data: dict[str, Value] = {node: bool(answer["bf16"]) for node, answer in answers.items()}
    if not without:
        return Check(name, "ok", "all nodes' processors have bf16 instructions", data=data)
    models = ", ".join(sorted({str(answers[node]["cpu"]) or "unknown model" for node in without}))
    summary = f"no bf16 instructions on {shorten(sorted(without))} ({models})"
    if len(without) == len(answers):
        return Check(name, "ok", f"{summary}: workers without a GPU use fp32", data=data)
    remedy = "new data sets use fp32 unless workers have GPUs; an existing bf16 data set cannot be continued there"
    return Check(name, "warn", summary, remedy, data)


def _memory(answers: Mapping[str, Answer]) -> Check:
    name = "node memory"
    data: dict[str, Value] = {node: int(answer["memory"]) for node, answer in answers.items()}
    small = [node for node, answer in answers.items() if answer["memory"] < _MIN_MEMORY]
    if small:
        return Check(
            name, "warn", f"less than 2 GiB on {shorten(sorted(small))}", "Ray and one worker need 2 GiB", data
        )
    least = min((answer["memory"] for answer in answers.values()), default=0)
    return Check(name, "ok", f"at least {least / GIB:.1f} GiB on every node", data=data)


def _sandbox(answers: Mapping[str, Answer]) -> Check:
    name = "node sandbox"
    data: dict[str, Value] = {node: list(answer["sandbox"]) for node, answer in answers.items()}
    without = [node for node, answer in answers.items() if answer["sandbox"][0] != "ok"]
    if without:
        summary = f"{answers[without[0]]['sandbox'][1]} on {shorten(sorted(without))}"
        return Check(name, "warn", summary, "see the same check of this machine; --require-sandbox refuses them", data)
    return Check(name, "ok", "decoders are confined on every node", data=data)


def _stores(kind: str, answers: Mapping[str, Answer]) -> Check:
    name = f"node {'videos' if kind == 'videos' else 'store'}"
    data: dict[str, Value] = {node: list(answer[kind]) for node, answer in answers.items() if kind in answer}
    failed = [node for node, answer in answers.items() if answer.get(kind, ["ok"])[0] == "fail"]
    if failed:
        summary = f"not usable from {shorten(sorted(failed))}: {answers[failed[0]][kind][1]}"
        remedy = "check environment and network of that node; then run doctor again"
        return Check(name, "fail", summary, remedy, data, EXIT_STORAGE)
    doubtful = [answer[kind][1] for answer in answers.values() if answer.get(kind, ["ok"])[0] == "warn"]
    if doubtful:
        return Check(name, "warn", doubtful[0], "see the same check of this machine", data)
    return Check(name, "ok", f"usable from {len(answers)} node(s)", data=data)
