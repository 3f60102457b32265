"""Evaluate scores against the annotations in a manifest: metrics with confidence intervals, and an HTML report.

    python jobs/evaluate.py --scores s3://scores/cam7 --manifest s3://archive/cam7.csv --out s3://reports/cam7
    ray job submit --working-dir . -- python jobs/evaluate.py --scores … --manifest … --out …

Takes the options of ``wsvad evaluate`` (see ``--help``). Does not need Ray. Takes seconds for a hundred videos, and a
minute or two for a thousand. Writes ``report.json`` and ``report.html`` to ``--out``.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
