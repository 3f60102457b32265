"""The manifests for KubeRay: valid by the published schemas, closed by default, and the same cluster everywhere."""

from __future__ import annotations

import base64
import copy
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import kubernetes_validate
import pytest
import yaml

from tests.cluster.manifests import CLUSTER, KUBECTL, KUBERAY, OVERLAYS, built, every, mistakes, one, pod_specs
from wsvad.storage import StoreOptions, open_store

README = (CLUSTER / "README.md").read_text()
VERBS = ("evaluate", "extract", "rescore", "score", "train", "tune")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid_by_published_schemas(overlay):
    """KubeRay's and Kubernetes' own, strictly: a field that nobody knows is an error."""
    found = {f"{o['kind']}/{o['metadata']['name']}": mistakes(o) for o in built(overlay)}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert len(found) > 15


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_inside_of_custom_resources_are_valid_pods(overlay):
    """By Kubernetes' own schema, which knows more than the copy of it in KubeRay's."""
    seen = 0
    for manifest in built(overlay):
        for path, spec in pod_specs(manifest):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"}, "spec": spec}
            assert mistakes(pod) == [], path
            seen += 1
    assert seen >= 18


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("RayJob", "wsvad-rescore", ("spec", "backofLimit"), 1),
        ("RayJob", "wsvad-rescore", ("spec", "backoffLimit"), "none"),
        ("RayJob", "wsvad-rescore", ("spec", "rayClusterSpec", "headGroupSpec", "template", "spec", "container"), []),
        ("RayCluster", "wsvad", ("spec", "authOptions", "mode"), "tokens"),
        ("CronJob", "wsvad-night", ("spec", "timezone"), "UTC"),
        ("CronJob", "wsvad-night", ("spec", "concurrencyPolicy"), 1),
        ("NetworkPolicy", "deny-all", ("spec", "podselector"), {}),
    ],
)
def test_the_check_itself_finds_mistakes(kind, name, path, value):
    """A misspelled field, a wrong type, a value that is none of the choices."""
    manifest = copy.deepcopy(one("cpu", kind, name))
    assert mistakes(manifest) == []
    *above, last = path
    node = manifest
    for key in above:
        node = node[key]
    node[last] = value
    assert mistakes(manifest)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_locked_down(overlay):
    """Non-root, nothing to gain, no writable root, a system-call filter, and requests that are limits."""
    for manifest in built(overlay):
        for path, spec in pod_specs(manifest):
            pod = spec["securityContext"]
            assert (pod["runAsNonRoot"], pod["runAsUser"]) == (True, 1000), path
            assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, path
            assert not spec.get("hostNetwork"), path
            assert not spec.get("initContainers"), path
            for container in spec["containers"]:
                own = container["securityContext"]
                assert own["allowPrivilegeEscalation"] is False, path
                assert own["readOnlyRootFilesystem"] is True, path
                assert own["capabilities"] == {"drop": ["ALL"]}, path
                resources = container["resources"]
                assert resources["requests"] == resources["limits"], path
                assert {"cpu", "memory"} <= set(resources["limits"]), path
    (namespace,) = every(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_no_latest(overlay):
    """Secrets are made by a command; every image has a version."""
    assert every(overlay, "Secret") == []
    images = {c["image"] for o in built(overlay) for _, spec in pod_specs(o) for c in spec["containers"]}
    assert images
    for image in images:
        name, _, version = image.rpartition(":")
        assert name, image
        assert re.search(r"\d", version), image
        assert "latest" not in version, image
    inline = [
        (path, variable["name"])
        for manifest in built(overlay)
        for path, spec in pod_specs(manifest)
        for container in spec["containers"]
        for variable in container.get("env", ())
        if re.search("TOKEN|SECRET|PASSWORD|KEY", variable["name"]) and "value" in variable
    ]
    assert inline == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_verb_has_a_job_that_waits(overlay):
    """Suspended, on the cluster of the overlay, with a token, an end, and no second cluster for a failure."""
    jobs = {o["metadata"]["name"]: o["spec"] for o in every(overlay, "RayJob")}
    assert tuple(jobs) == tuple(f"wsvad-{verb}" for verb in VERBS)
    standing = one(overlay, "RayCluster", "wsvad")["spec"]
    assert standing["suspend"] is True
    for name, spec in jobs.items():
        assert spec["suspend"] is True, name
        assert spec["shutdownAfterJobFinishes"] is True
        assert spec["ttlSecondsAfterFinished"] > 0
        assert spec["activeDeadlineSeconds"] > 0
        assert spec["backoffLimit"] == 0
        assert spec["rayClusterSpec"] == {k: v for k, v in standing.items() if k != "suspend"}, name
    assert standing["authOptions"] == {"mode": "token", "secretName": "wsvad-ray-token"}
    assert standing["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_documented_command_makes_the_secret_that_ray_reads(tmp_path):
    """The README's own line, without a server: the name of ``authOptions``, the key that KubeRay reads, the token."""
    (line,) = re.findall(r"^\$ (kubectl .*create secret generic wsvad-ray-token .*?) &&", README, re.MULTILINE)
    (tmp_path / "token").write_text("0123456789abcdef" * 4)
    words = [str(KUBECTL), *line.split()[1:], "--dry-run=client", "-o", "json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    secret = json.loads(done.stdout)
    assert mistakes(secret) == []
    assert secret["metadata"]["name"] == one("cpu", "RayCluster", "wsvad")["spec"]["authOptions"]["secretName"]
    assert secret["metadata"]["namespace"] == one("cpu", "RayJob", "wsvad-rescore")["metadata"]["namespace"]
    assert {k: base64.b64decode(v).decode() for k, v in secret["data"].items()} == {
        "auth_token": "0123456789abcdef" * 4
    }


def test_settings_of_ones_own_replace_ours(tmp_path):
    """The README's overlay: another image by digest everywhere, and another file of options in the ConfigMap."""
    (text,) = re.findall(r"^```yaml\n(resources: .*?)```", README, re.MULTILINE | re.DOTALL)
    text = re.sub(r"^resources: .*$", "resources: [cpu]", text, flags=re.MULTILINE)
    text = text.replace("sha256:…", "sha256:" + "0" * 64)
    shutil.copytree(KUBERAY, tmp_path / "kuberay")
    own = tmp_path / "kuberay" / "overlays" / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(text.replace("[cpu]", "[../cpu]"))
    (own / "rescore.toml").write_text('archive = "s3://mine"\n')
    (own / "cameras.toml").write_text("")
    done = subprocess.run(
        [str(KUBECTL), "kustomize", str(own)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    images = {c["image"] for o in made for _, spec in pod_specs(o) for c in spec["containers"]}
    assert images == {"registry.your.example/wsvad@sha256:" + "0" * 64}
    (settings,) = (o["data"] for o in made if o["kind"] == "ConfigMap" and o["metadata"]["name"] == "wsvad-settings")
    assert settings["rescore.toml"] == 'archive = "s3://mine"\n'
    assert "s3://results/features" in settings["extract.toml"]


def test_the_documented_lines_fill_a_store_for_trying_out(moto_server, aws_environment, tmp_path, monkeypatch):
    """What the README has people run, against an S3 server; the options of that overlay find it all there."""
    lines = re.findall(r"^\$ (python -c \"import s3fs.*)$", README, re.MULTILINE)
    assert len(lines) == 3
    (tmp_path / "footage" / "yard").mkdir(parents=True)
    (tmp_path / "footage" / "yard" / "20260301_120000.mp4").write_bytes(b"video")
    (tmp_path / "ours" / "checkpoint").mkdir(parents=True)
    (tmp_path / "ours" / "checkpoint" / "model.json").write_bytes(b"{}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.url)
    code = "\n".join(shlex.split(line)[2] for line in lines)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    settings = tomllib.loads(one("minio", "ConfigMap", "wsvad-settings")["data"]["rescore.toml"])
    options = StoreOptions(endpoint_url=moto_server.url)
    assert [o.key for o in open_store(settings["archive"], options).list()] == ["yard/20260301_120000.mp4"]
    assert [o.key for o in open_store(settings["checkpoint"], options).list()] == ["model.json"]
    assert open_store(settings["root"], options).probe().create_only is True


def test_gpu_overlay_asks_for_gpus_and_its_own_image():
    """Of workers alone."""
    spec = one("gpu", "RayJob", "wsvad-rescore")["spec"]["rayClusterSpec"]
    (worker,) = spec["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    (head,) = spec["headGroupSpec"]["template"]["spec"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in head["resources"]["limits"]
    assert worker["image"] == head["image"] == "registry.example.com/wsvad:0.1.0-gpu"


def test_the_night_is_started_by_what_may_do_nothing_else():
    """Forbid, a time zone, a deadline for starting; create, list and remove RayJobs, and read one."""
    job = one("cpu", "CronJob", "wsvad-night")["spec"]
    assert (job["concurrencyPolicy"], job["timeZone"]) == ("Forbid", "Europe/Berlin")
    assert 0 < job["startingDeadlineSeconds"] < 86400
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "wsvad-night"
    rules = one("cpu", "Role", "wsvad-night")["rules"]
    assert all(rule["apiGroups"] == ["ray.io"] and rule["resources"] == ["rayjobs"] for rule in rules)
    assert sorted(v for rule in rules for v in rule["verbs"]) == ["create", "delete", "get", "list"]
    assert every("cpu", "ClusterRole") == every("cpu", "ClusterRoleBinding") == []
    words = pod["containers"][0]["args"]
    assert words[words.index("--time-zone") + 1] == job["timeZone"]  # else the name could be of another date
    script = one("cpu", "ConfigMap", "wsvad-night")["data"]["start_night.py"]
    assert script == (KUBERAY / "base" / "start_night.py").read_text()


def test_ray_pods_have_no_key_to_the_api_server():
    """Nobody who runs code on a worker can start pods."""
    for _, spec in pod_specs(one("cpu", "RayJob", "wsvad-rescore")):
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] == "wsvad-ray"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_network_is_closed_but_for_what_is_named(overlay):
    """All pods, both ways; nothing comes in from anywhere; what goes out to anywhere goes to the store or the API."""
    policies = {o["metadata"]["name"]: o["spec"] for o in every(overlay, "NetworkPolicy")}
    assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, spec in policies.items():
        for rule in spec.get("ingress", ()):
            assert rule.get("from"), name
            assert all("ipBlock" not in peer for peer in rule["from"]), name
    open_ended = {n for n, s in policies.items() for rule in s.get("egress", ()) if "to" not in rule}
    assert open_ended == ({"night-starter"} if every(overlay, "CronJob") else set())
    blocks = {n for n, s in policies.items() for r in s.get("egress", ()) for p in r.get("to", ()) if "ipBlock" in p}
    assert blocks == {"store"}
    labels = {str(spec["podSelector"].get("matchLabels")) for spec in policies.values()}
    own = {
        str({key: value})
        for manifest in built(overlay)
        for labelled in _labels(manifest)
        for key, value in labelled.items()
    }
    by_kuberay = {"{'ray.io/is-ray-node': 'yes'}", "{'ray.io/node-type': 'head'}"}
    assert labels - {"None"} <= own | by_kuberay  # no policy is for pods that do not exist


def _labels(node):
    if isinstance(node, list):
        for child in node:
            yield from _labels(child)
    elif isinstance(node, dict):
        if isinstance(node.get("labels"), dict):
            yield node["labels"]
        for child in node.values():
            yield from _labels(child)


def test_no_head_may_be_drained_away():
    """Each job has a head of its own, so that several are up at once, and the budget counts them together."""
    budget = one("cpu", "PodDisruptionBudget", "ray-head")["spec"]
    assert budget["selector"] == {"matchLabels": {"ray.io/node-type": "head"}}
    heads = 7 + len(VERBS) + 1  # nights, verbs, and the cluster that stands
    assert budget["minAvailable"] > heads


def test_raycronjob_is_the_cronjobs_alternative():
    """The same job at the same time, not suspended, in the CronJob's place; and its template never runs by itself."""
    assert every("raycronjob", "CronJob") == every("raycronjob", "Role") == []
    scheduled = one("raycronjob", "RayCronJob", "wsvad-night")["spec"]
    template = one("raycronjob", "RayJob", "wsvad-rescore")["spec"]
    assert template["suspend"] is True
    assert scheduled["jobTemplate"] == {k: v for k, v in template.items() if k != "suspend"}
    other = one("cpu", "CronJob", "wsvad-night")["spec"]
    assert (scheduled["schedule"], scheduled["timeZone"]) == (other["schedule"], other["timeZone"])


def test_files_that_jobs_name_are_in_the_pod():
    """What is named below /etc/wsvad is a key of the ConfigMap that is mounted there."""
    for overlay in OVERLAYS:
        settings = one(overlay, "ConfigMap", "wsvad-settings")["data"]
        texts = [o["spec"]["entrypoint"] for o in every(overlay, "RayJob")] + list(settings.values())
        named = {n for text in texts for n in re.findall(r"/etc/wsvad/([\w.]+)", text)}
        assert named == set(settings), overlay


def test_versions_that_are_named_are_the_tested_ones():
    """Ray's in the manifests is that of constraints.txt; the Kubernetes of the namespace is one we check for."""
    pinned = dict(line.split("==") for line in (CLUSTER.parent / "constraints.txt").read_text().split() if "==" in line)
    assert one("cpu", "RayCluster", "wsvad")["spec"]["rayVersion"] == pinned["ray"]
    assert kubernetes_validate.latest_version() >= "1.37"
