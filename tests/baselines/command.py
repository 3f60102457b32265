"""The command line that the baselines share."""

from __future__ import annotations

import argparse

import cv2

from tests.baselines.dataset import Describe, HandmadeConfig, build


def run(config: HandmadeConfig, describe: Describe) -> None:
    """Read ``--manifest`` and ``--out`` and build the data set, on one core besides the decoder."""
    parser = argparse.ArgumentParser(description=f"{config.name}: {config.recipe}")
    parser.add_argument("--manifest", required=True, metavar="URI", help=".csv or .parquet, from wsvad manifest")
    parser.add_argument("--out", required=True, metavar="URI", help="root of the features data set")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    store = build(args.manifest, args.out, config, describe, lambda line: print(line, flush=True))
    print(f"features {store.uri}")
