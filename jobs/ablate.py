"""Train a model and rows that differ from it in one factor, with the same seeds, and say which of them are worse.

    ray job submit --working-dir . -- python jobs/ablate.py --family ltgs --features s3://features/cam7 \\
        --manifest s3://lists/cam7.csv --out s3://results/ablation

Takes the options of ``wsvad ablate`` (``--help`` lists them). Every run is a task of one core; killed and run again,
the ablation goes on. LTGS-Net's family has 13 rows, so 130 runs with ten seeds.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["ablate", *sys.argv[1:]]))
