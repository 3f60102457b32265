"""Evaluate scores against the truth in a manifest: figures with intervals, and a page that shows them.

    python jobs/evaluate.py --scores s3://scores/cam7 --manifest s3://archive/cam7.csv --out s3://reports/cam7
    ray job submit --working-dir . -- python jobs/evaluate.py --scores … --manifest … --out …

Takes the options of ``wsvad evaluate`` (``--help`` lists them). Needs no Ray; seconds for a hundred videos, a minute or
two for a thousand. Expect ``report.json`` and ``report.html`` at ``--out``.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
