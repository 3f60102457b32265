"""``wsvad demo``: the main job on videos that it renders itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from wsvad.backbones.extractor import default_precision
from wsvad.dataset import layout
from wsvad.demo.render import render_demo
from wsvad.extract.config import FeatureConfig
from wsvad.extract.job import ExtractOptions, extract
from wsvad.extract.verify import verify
from wsvad.extract.weights import resolve_weights
from wsvad.storage import open_store


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--folder", default="wsvad-demo", metavar="DIR", help="where videos and features go")


def run(args: argparse.Namespace) -> int:
    """Render what is not there, extract, verify, say where everything is."""
    console = Console(stderr=args.json)
    folder = Path(args.folder).resolve()
    manifest = render_demo(folder / "videos")
    weights = resolve_weights("random:0")
    features = FeatureConfig(weights.identity, precision=default_precision())
    options = ExtractOptions(str(manifest), str(folder / "features"), features, weights)
    summary = extract(options, Console(stderr=True))
    report = verify(open_store(options.out))
    if args.json:
        sys.stdout.write(summary.to_json() + "\n")
        return summary.exit_code or report.exit_code
    console.rule("what it did", align="left")
    summary.show(console)
    console.rule("what verify says", align="left")
    report.show(console)
    console.rule("where it is", align="left")
    unit = next(open_store(options.out).list(layout.UNITS))
    path = f"{options.out}/{unit.key}"
    show = f"import pyarrow.parquet as p; print(p.read_table('{path}').drop(['pooled', 'cuboids']).to_pandas())"
    for what, where in (
        ("videos", str(manifest)),
        ("features", f"{options.out}/{summary.snapshot}"),
        ("look inside", f'{sys.executable} -c "{show}"'),
        ("do it on yours", f"{Path(sys.executable).parent / 'wsvad'} extract --videos FOLDER --out {folder / 'mine'}"),
    ):
        console.print(f"{what:15}{where}", markup=False, highlight=False, soft_wrap=True)
    return summary.exit_code or report.exit_code
