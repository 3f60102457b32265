"""Rules of imports: layers in data-flow order, libraries confined to few files, imports without side effects."""

from __future__ import annotations

import ast
import functools
import graphlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from wsvad.cli.main import VERBS as COMMANDS

ROOT = Path(__file__).resolve().parents[1]

VERBS = ("extraction", "importing", "training", "scoring", "pretraining", "evaluation", "verification")

# Layers in data-flow order. A module may import its own package and packages of earlier lines.
LAYERS = (
    ("errors", "signals"),
    ("options",),
    ("arrow", "clips", "columns", "cores", "devices", "display", "documents", "notebook", "rates", "suggest", "text"),
    ("storage",),
    ("provenance",),
    ("dataset",),
    ("video",),
    ("backbones",),
    ("weights",),
    ("manifest",),
    ("cameras",),
    ("work",),
    ("features",),
    ("models",),
    ("checkpoint",),
    ("scores",),
    ("events",),
    ("metrics",),
    ("loop",),
    ("report",),
    VERBS,
    ("pipelines", "experiments"),
    ("nightly", "tuning"),
    ("review",),
    ("doctor", "demo"),
    ("cli",),
    ("interface",),
    ("__main__",),
)

# Files that may import a library. Every listed file must exist and import it.
HOMES = {
    # the connection to Ray, and the doctor's probe; every other file can be tested without Ray
    "ray": (
        "wsvad/dataset/tables.py",  # exports data sets to other programs
        "wsvad/work/ray_connection.py",
        "wsvad/work/cluster.py",
        "wsvad/work/ray_map.py",
        "wsvad/work/ray_runner.py",
        "wsvad/loop/ray_train.py",
        "wsvad/experiments/on_ray.py",
        "wsvad/tuning/lost_workers.py",
        "wsvad/tuning/on_ray.py",
        "wsvad/doctor/ray_probe.py",
    ),
    # the decoder process and the renderer of the demo; a process with credentials never runs FFmpeg
    "av": (
        "wsvad/video/decoding.py",
        "wsvad/video/demux.py",
        "wsvad/video/indexing.py",
        "wsvad/video/sample_data.py",
        "wsvad/video/scaling.py",
        "wsvad/video/scanning.py",
        "wsvad/video/streams.py",
        "wsvad/video/frame_times.py",
        "wsvad/demo/render.py",
        "wsvad/pretraining/degradation.py",
        "wsvad/review/encoding.py",  # encodes plain pixels that the decoder's process gave; it opens no file
        "wsvad/doctor/software.py",
    ),
    # an extra; for optical flow in the decoder process, and for rendering in pretraining
    "cv2": (
        "wsvad/pretraining/actors.py",
        "wsvad/pretraining/clips.py",
        "wsvad/pretraining/degradation.py",
        "wsvad/pretraining/shards.py",
        "wsvad/pretraining/scenes.py",
        "wsvad/review/detection.py",  # plain pixels, too; only with --pixelate
        "wsvad/video/flow.py",
    ),
    "grpc": ("wsvad/work/ray_connection.py",),
    "s3fs": ("wsvad/storage/s3_client.py",),
    "aiobotocore": ("wsvad/storage/s3_client.py",),
    "aiohttp": ("wsvad/storage/s3_client.py", "wsvad/storage/s3_errors.py"),
    "fsspec": ("wsvad/storage/remote.py", "wsvad/storage/s3_client.py", "wsvad/storage/uri.py"),
    "botocore": ("wsvad/storage/s3_client.py", "wsvad/storage/s3_errors.py", "wsvad/doctor/services.py"),
    "urllib3": ("wsvad/weights/http.py",),
    # what reads options: the words in which they are declared, and the command line
    "cyclopts": (
        "wsvad/options.py",
        "wsvad/cli/file.py",
        "wsvad/cli/help.py",
        "wsvad/cli/parser.py",
        "wsvad/interface.py",
    ),
    # figures; slow to load, so it is loaded by the first one (LIGHT)
    "sklearn": ("wsvad/metrics/agreement.py", "wsvad/metrics/ranking.py", "wsvad/tuning/importance.py"),
    "jinja2": (
        "wsvad/evaluation/page.py",
        "wsvad/report/templates.py",
        "wsvad/report/tables.py",
        "wsvad/tuning/page.py",
    ),
    # distributions of test statistics, assignment problems
    "scipy": (
        "wsvad/metrics/intervals.py",
        "wsvad/metrics/paired.py",
        "wsvad/rates.py",
        "wsvad/tuning/configurations.py",
        "wsvad/tuning/tuning_curve.py",
    ),
    "optuna": ("wsvad/tuning/configurations.py",),
    # an extra; loaded where a page is served
    "starlette": ("wsvad/review/responses.py", "wsvad/review/app.py"),
    "uvicorn": ("wsvad/review/server.py",),
    "mlflow": ("wsvad/tuning/trackers.py",),
    "wandb": ("wsvad/tuning/trackers.py",),
    # encodes pictures from the decoder process; a process with credentials opens no external pictures
    "PIL": ("wsvad/report/pictures.py",),
    "torch": (
        "wsvad/backbones/registry.py",
        "wsvad/backbones/compact.py",
        "wsvad/backbones/compact_folded.py",
        "wsvad/backbones/compact_untrained.py",
        "wsvad/backbones/extractor.py",
        "wsvad/backbones/folded.py",
        "wsvad/backbones/i3d.py",
        "wsvad/backbones/resnet.py",
        "wsvad/backbones/resnet_folded.py",
        "wsvad/backbones/resnet_untrained.py",
        "wsvad/backbones/untrained.py",
        "wsvad/backbones/weights.py",
        "wsvad/devices.py",
        "wsvad/features/torch_dataset.py",
        "wsvad/training/batches.py",
        "wsvad/checkpoint/folder.py",
        "wsvad/checkpoint/tensors.py",
        "wsvad/checkpoint/trained.py",
        "wsvad/doctor/software.py",
        "wsvad/models/attention.py",
        "wsvad/models/bn_wvad.py",
        "wsvad/models/registry.py",
        "wsvad/models/contract.py",
        "wsvad/models/dynamic_labels.py",
        "wsvad/models/gl_attention.py",
        "wsvad/models/heads.py",
        "wsvad/models/inference.py",
        "wsvad/models/losses.py",
        "wsvad/models/ltgs.py",
        "wsvad/models/mgfn.py",
        "wsvad/models/precision.py",
        "wsvad/models/rtfm.py",
        "wsvad/models/st_ltgs.py",
        "wsvad/models/st_mil.py",
        "wsvad/models/sultani.py",
        "wsvad/models/temporal_conv.py",
        "wsvad/models/ur_dmu.py",
        "wsvad/pretraining/network.py",
        "wsvad/pretraining/trainer.py",
        "wsvad/pretraining/worker.py",
        "wsvad/scoring/scorer.py",
        "wsvad/loop/curve.py",
        "wsvad/loop/group.py",
        "wsvad/loop/saving.py",
        "wsvad/training/held_out.py",
        "wsvad/loop/state.py",
        "wsvad/training/trainer.py",
        "wsvad/training/worker.py",
        "wsvad/tuning/validation.py",
        "wsvad/tuning/trial.py",
    ),
}

REMOTE = ("s3fs", "aiobotocore", "botocore", "aiohttp", "fsspec")
"""Libraries that are loaded only for URIs in object storage."""

# Libraries that importing a module must not load, directly or indirectly, as they cost time and memory.
LIGHT = {
    "wsvad.__main__": ("torch", "ray", "av", "s3fs", "pyarrow", "numpy", "cyclopts", "logging"),
    "wsvad.cli.main": ("torch", "ray", "av", *REMOTE, "pyarrow", "numpy", "sklearn", "jinja2", "PIL"),
    "wsvad.storage": ("torch", "ray", "av", *REMOTE, "pyarrow", "numpy"),
    "wsvad.video": ("torch", "ray", "av", "cv2", "s3fs", "pyarrow"),
    "wsvad.video.child": ("torch", "ray", "cv2", "s3fs", "pyarrow", "cyclopts"),
    "wsvad.backbones.extractor": ("ray", "av", "s3fs", "pyarrow"),
    "wsvad.features.cache": ("torch", "ray", "av", "s3fs"),
    "wsvad.manifest.listing": ("torch", "ray", "av", "s3fs"),
    "wsvad.importing.plan": ("torch", "ray", "av", "s3fs"),
    # the implementations of the verbs, without Ray
    "wsvad.extraction.job": ("ray", "pandas", "tensorboardX", "av", "cv2", "s3fs", "sklearn", "jinja2", "PIL"),
    "wsvad.pipelines.score_videos": ("ray", "pandas", "tensorboardX", "av", "cv2", "s3fs", "sklearn", "jinja2", "PIL"),
    "wsvad.training.job": ("ray", "av", "s3fs", "sklearn", "jinja2", "PIL"),
    "wsvad.scores.reading": ("torch", "ray", "av", "s3fs"),
    "wsvad.cameras.placing": ("torch", "ray", "av", *REMOTE, "pyarrow"),
    "wsvad.events.spans": ("torch", "ray", "av", *REMOTE, "pyarrow"),
    "wsvad.events.job": ("torch", "ray", "av", "s3fs", "sklearn", "jinja2", "PIL"),
    "wsvad.events.calibrate_job": ("torch", "ray", "av", "s3fs", "sklearn", "jinja2", "PIL"),
    "wsvad.pipelines.inferencer": ("ray", "av", "s3fs", "sklearn"),
    "wsvad.evaluation.job": ("ray", "av", "s3fs", "sklearn"),
    "wsvad.review.config": ("torch", "ray", "av", *REMOTE, "pyarrow", "PIL", "starlette", "uvicorn"),
    "wsvad.review.folder": ("torch", "ray", "cv2", "s3fs", "sklearn", "starlette", "uvicorn"),
    "wsvad.review.verdict_job": ("torch", "ray", "av", "s3fs", "sklearn", "PIL", "starlette", "uvicorn"),
    "wsvad.demo.render": ("torch", "ray", "s3fs"),
}


def sources(folder: str) -> list[Path]:
    """Return all Python files below a folder of the repository."""
    return sorted((ROOT / folder).rglob("*.py"))


@functools.cache
def imports(path: Path) -> tuple[tuple[int, str], ...]:
    """Return line and full name of everything that a file imports, at the top or inside a function."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module is not None
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def unit(module: str) -> str:
    """Return e.g. ``storage`` for ``wsvad.storage.uri.normalize_uri``; ``""`` for ``wsvad`` and ``__version__``."""
    name = ([*module.split("."), ""])[1]
    return "" if name in ("__version__", "__file__") else name


def module_name(path: Path) -> str:
    """Return the dotted name under which a file of the package is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_unit_of_the_package_has_its_layer() -> None:
    """No package is unlisted, and no listed package is missing."""
    found = {
        path.stem for path in (ROOT / "wsvad").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found - {"__init__"} == set(chain(*LAYERS))


@pytest.mark.parametrize("path", sources("wsvad"), ids=module_name)
def test_a_module_imports_only_earlier_layers(path: Path) -> None:
    """Or its own package."""
    rank = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    own = unit(module_name(path))
    wrong = [
        f"line {line}: {name}"
        for line, name in imports(path)
        if name.split(".")[0] == "wsvad" and unit(name) and unit(name) != own
        if rank.get(unit(name), len(LAYERS)) >= rank.get(own, -1)
    ]
    assert not wrong, f"{own} comes before what it imports: {wrong}"


def test_there_are_no_circular_imports() -> None:
    """Also not within one package or by an import inside a function."""
    modules = {module_name(path): path for path in sources("wsvad")}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        named = (full if full in modules else full.rpartition(".")[0] for _, full in imports(path))
        graph[name] = set(named) & modules.keys() - {name}
    try:
        order = tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))
    assert len(order) == len(modules)


@pytest.mark.parametrize("path", sources("jobs"), ids=lambda path: path.name)
def test_a_job_script_is_thin(path: Path) -> None:
    """It imports only the command and the standard library."""
    foreign = {name for _, name in imports(path)} - {"wsvad.__main__.main"}
    assert {name.split(".")[0] for name in foreign} <= sys.stdlib_module_names


@pytest.mark.parametrize("library", HOMES)
def test_a_library_stays_in_its_files(library: str) -> None:
    """Exactly the listed files import it."""
    found = {
        str(path.relative_to(ROOT))
        for path in chain(sources("wsvad"), sources("jobs"))
        if library in {name.split(".")[0] for _, name in imports(path)}
    }
    assert found == set(HOMES[library])


def test_the_package_does_not_import_its_tests() -> None:
    """Nor packages that only developers install."""
    banned = {"tests", "pytest", "hypothesis", "moto"}
    wrong = [
        f"{path}:{line}: {name}"
        for path in chain(sources("wsvad"), sources("jobs"))
        for line, name in imports(path)
        if name.split(".")[0] in banned
    ]
    assert not wrong


def run_python(code: str, *arguments: str) -> str:
    """Run code in a new interpreter in the repository's root; return its standard output."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_module_does_not_load_what_it_does_not_need(module: str) -> None:
    """Neither directly nor indirectly."""
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(run_python(code)))
    assert not loaded & set(LIGHT[module])


HEAVY = frozenset(
    "torch ray numpy pyarrow av cv2 boto3 botocore s3fs urllib3 requests sklearn scipy pandas jinja2 PIL safetensors"
    " starlette tensorboardX matplotlib uvicorn".split()
)
"""Libraries that take tenths of seconds to load, which help texts must not load."""
_HELP = """
import contextlib, io, json, sys
from wsvad.__main__ import main

code, shown = None, io.StringIO()
with contextlib.redirect_stdout(shown):
    try:
        main(sys.argv[1:])
    except SystemExit as ended:
        code = ended.code
print(json.dumps([code, shown.getvalue(), sorted(sys.modules)]))
"""


@pytest.mark.parametrize("words", [(), *((verb,) for verb in COMMANDS)], ids=lambda words: " ".join(words) or "all")
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    """Every verb shows its help in tenths of a second, because it imports its implementation only when it runs."""
    code, shown, loaded = json.loads(run_python(_HELP, *words, "--help"))
    assert code == 0
    assert f"usage: {' '.join(('wsvad', *words))} " in shown
    assert not HEAVY & set(loaded)


_IMPORT_ALL = """
import importlib, json, logging, os, signal, sys, threading
import av, av.codec, s3fs, botocore.session, cv2, cyclopts, jinja2, numpy, packaging.requirements
import pyarrow.csv, pyarrow.parquet, ray
import ray.data, ray.util.scheduling_strategies, rich.console, rich.live, rich.progress, rich.table, safetensors.torch
import concurrent.futures, multiprocessing.shared_memory, PIL.Image, torch, urllib3
import starlette.applications, starlette.concurrency, starlette.requests, starlette.responses, starlette.routing
import uvicorn

effects = []
WATCHED = ("socket.", "subprocess.", "os.", "shutil.", "tempfile.", "ctypes.dlopen", "urllib.", "signal.")
HARMLESS = ("os.listdir", "os.scandir", "os.walk", "os.fwalk")

def watch(event, arguments):
    if event == "open":
        mode, flags = str(arguments[1] or "r"), arguments[2] or 0
        if set(mode) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            effects.append(f"open {arguments[0]} {mode}")
    elif event.startswith(WATCHED) and event not in HARMLESS:
        effects.append(f"{event} {arguments}")

def state():
    handlers = {number: str(signal.getsignal(number)) for number in signal.valid_signals()}
    return {
        "environment": dict(os.environ), "cwd": os.getcwd(), "threads": len(threading.enumerate()), "argv": sys.argv,
        "signals": handlers, "root logger": [str(logging.getLogger().handlers), logging.getLogger().level],
        "files": sorted(os.listdir("/proc/self/fd"), key=int)[:-1], "torch threads": torch.get_num_threads(),
        "seed": torch.initial_seed(), "default type": str(torch.get_default_dtype()),
    }

sys.argv = ["\\udcff", "--no-such-option", "", "extract", "--videos"]
before = state()
sys.addaudithook(watch)
for name in NAMES:
    importlib.import_module(name)
seen = list(effects)
after = state()
changed = [name for name in before if before[name] != after[name]]
started = [name for name, library in (("ray", ray), ("cuda", torch.cuda)) if library.is_initialized()]
print(json.dumps({"effects": seen, "changed": changed, "started": started}))
"""


def test_importing_has_no_side_effects() -> None:
    """For every module, with invalid argv: no file, socket, process, thread, handler, or changed environment."""
    names = [module_name(path) for path in chain(sources("wsvad"), sources("jobs"))]
    found = json.loads(run_python(f"NAMES = {names!r}\n{_IMPORT_ALL}"))
    assert found == {"effects": [], "changed": [], "started": []}
