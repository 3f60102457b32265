"""Run an ablation: train a model and variants that differ in one factor with the same seeds, and test which are worse.

    ray job submit --working-dir . -- python jobs/ablate.py --family ltgs --features s3://features/cam7 \\
        --manifest s3://lists/cam7.csv --out s3://results/ablation

Takes the options of ``wsvad ablate`` (see ``--help``). Every run is a task on one CPU core. An interrupted ablation
resumes when it is run again. The family of LTGS-Net has 13 rows, so ten seeds give 130 runs.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["ablate", *sys.argv[1:]]))
