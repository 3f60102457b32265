"""Run the demo end to end: render, extract, verify, train, score, evaluate, review, and report all paths."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from wsvad.backbones.embedded import has_embedded_weights
from wsvad.backbones.extractor import default_precision
from wsvad.backbones.names import DEFAULT_BACKBONE
from wsvad.dataset import layout
from wsvad.demo.render import render_demo
from wsvad.evaluation.job import EvaluateOptions, evaluate
from wsvad.evaluation.summary import EvaluateSummary
from wsvad.events.config import EventSettings
from wsvad.events.job import EventsOptions, find_all_events
from wsvad.experiments.table import COLUMNS
from wsvad.extraction.job import ExtractOptions, extract
from wsvad.extraction.summary import ExtractSummary
from wsvad.features.config import FeatureConfig
from wsvad.review.config import ReviewOptions, SourceOptions
from wsvad.review.folder import ReviewSummary, write_review
from wsvad.scores.reading import ScoreSet
from wsvad.scoring.job import ScoreOptions, score
from wsvad.storage import open_store, probe_folder
from wsvad.training.job import train
from wsvad.training.options import TrainOptions
from wsvad.training.summary import TrainSummary
from wsvad.verification.data_set import verify
from wsvad.verification.data_set_report import VerifyReport
from wsvad.weights.resolve import resolve_backbone
from wsvad.work.cluster import connected

MODELS = ("st_mil", "ltgs")
"""The models of the two papers."""
TRAINING: dict[str, Any] = {"steps": 60, "pairs": 2, "val_fraction": 0.0, "eval_every": 30, "save_every": 30}
"""Two anomalous and two normal training videos: the real training loop, with the length of a demo."""


REVIEWED = "st_mil"
"""Model whose events are reviewed; it also localizes them."""
CAMERAS = """[[camera]]
pattern = "{camera}-*"
purpose = "A demo; everybody is drawn"
"""
"""Camera file: assigns each video to its camera."""
SHARE_BELOW = 0.9
"""Fraction of all clips below the event threshold. A demo has too little normal footage to calibrate a threshold."""


@dataclass(frozen=True)
class _Trained:
    """Training and evaluation of one model."""

    trained: TrainSummary
    report: EvaluateSummary


def run_demo(where: str, *, json_only: bool, verbose: bool) -> int:
    """Render missing videos, extract, verify, train both models, score, evaluate, write a review page, and report.

    Args:
        where: Folder of the demo.
        json_only: Print one JSON document on standard output, and nothing else there.
        verbose: Log more.

    Returns:
        The exit code.
    """
    console, notes = Console(stderr=json_only), Console(stderr=True)
    folder = Path(where).resolve()
    probe_folder(str(folder))
    manifest = render_demo(folder / "videos")
    with connected(None, verbose=verbose):  # one local Ray for all steps
        extracted, found = _extract(manifest, folder, notes)
        models = {name: _model(name, manifest, folder, notes) for name in MODELS}
    reviewed = _review(manifest, folder, notes)
    if json_only:
        results = {
            name: {"train": m.trained.to_dict(), "evaluate": json.loads(m.report.to_json())}
            for name, m in models.items()
        }
        whole = {"extract": json.loads(extracted.to_json()), "models": results}
        whole["review"] = json.loads(reviewed.to_json())
        sys.stdout.write(json.dumps(whole, indent=1) + "\n")
    else:
        _show(console, folder, manifest, extracted, found, models)
        _show_review(console, reviewed)
    return extracted.exit_code or found.exit_code or reviewed.exit_code


def _extract(manifest: Path, folder: Path, notes: Console) -> tuple[ExtractSummary, VerifyReport]:
    weights = resolve_backbone(DEFAULT_BACKBONE, None if has_embedded_weights() else "random:0")
    features = FeatureConfig(weights.weights.identity, DEFAULT_BACKBONE, precision=default_precision())
    options = ExtractOptions(str(manifest), str(folder / "features"), features, weights)
    summary = extract(options, notes)
    return summary, verify(open_store(options.out))


def _model(name: str, manifest: Path, folder: Path, notes: Console) -> _Trained:
    """Train a model, score all videos with it, and evaluate it on the test split."""
    features, root = str(folder / "features"), folder / name
    trained = train(TrainOptions(features, str(manifest), name, str(root / "train"), training=TRAINING), notes)
    score(ScoreOptions(features, str(root / "train" / "checkpoint"), str(root / "scores")), notes)
    return _Trained(trained, evaluate(EvaluateOptions(str(root / "scores"), str(manifest), str(root / "report"))))


def _review(manifest: Path, folder: Path, notes: Console) -> ReviewSummary:
    """Find the events of all videos, and write a review page."""
    scores, events = str(folder / REVIEWED / "scores"), str(folder / "events")
    clips = ScoreSet.open(scores).to_pandas(["score"]).score
    cameras = folder / "cameras.toml"
    cameras.write_text(CAMERAS)
    settings = EventSettings(high=round(float(clips.quantile(SHARE_BELOW)), 4), gap_s=2.0)
    find_all_events(EventsOptions(scores=scores, out=events, cameras=str(cameras), settings=settings), notes)
    source = SourceOptions(events=events, scores=scores, cameras=str(cameras), manifest=str(manifest))
    return write_review(ReviewOptions(source, title="wsvad demo"), str(folder / "review"), notes)


def _show_review(console: Console, reviewed: ReviewSummary) -> None:
    console.rule("review", align="left")
    share = f"the highest {100 * (1 - SHARE_BELOW):.0f} % of clips of {REVIEWED}"
    _line(console, "events", f"{reviewed.shown} ({share}; see docs/calibration.md for calibrated thresholds)")
    _line(console, "open it", f"{reviewed.page} in a browser; ? shows the keys")


def _show(
    console: Console,
    folder: Path,
    manifest: Path,
    extracted: ExtractSummary,
    found: VerifyReport,
    models: dict[str, _Trained],
) -> None:
    console.rule("features", align="left")
    extracted.show(console)
    console.rule("verification", align="left")
    found.show(console)
    for name, model in models.items():
        console.rule(f"model {name}", align="left")
        metrics = model.report.document["metrics"]
        figures = [f"{COLUMNS[m]} {metrics[m]['value']:.2f}" for m in COLUMNS if metrics.get(m, {}).get("value")]
        steps = "nothing to do, already trained" if model.trained.nothing_to_do else f"{model.trained.steps_done} steps"
        _line(console, "trained", f"{steps}; {model.trained.checkpoint}")
        videos = f"{model.report.document['videos']['evaluated']} videos"
        if extracted.banner:
            videos += ", untrained features: only a functional test"
        _line(console, "on the test", f"{'; '.join(figures[:5])} ({videos})")
        _line(console, "report", model.report.html_uri)
    console.rule("paths", align="left")
    unit = next(open_store(str(folder / "features")).list(layout.UNITS))
    path = f"{folder / 'features'}/{unit.key}"
    show = f"import pyarrow.parquet as p; print(p.read_table('{path}').drop(['pooled', 'cuboids']).to_pandas())"
    _line(console, "videos", str(manifest))
    _line(console, "features", f"{extracted.out}/{extracted.snapshot}")
    _line(console, "look inside", f'{sys.executable} -c "{show}"')
    command = f"{Path(sys.executable).parent / 'wsvad'} extract --videos FOLDER --out {folder / 'mine'}"
    _line(console, "do it on yours", command)


def _line(console: Console, what: str, where: str) -> None:
    console.print(f"{what:15}{where}", markup=False, highlight=False, soft_wrap=True)
