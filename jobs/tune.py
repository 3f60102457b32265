"""Search model settings on validation videos with Ray Tune, with results in a folder or object storage.

    ray job submit --working-dir . -- python jobs/tune.py --space ltgs-paper --features s3://features/ucf \\
        --manifest s3://lists/ucf.csv --trials 200 --halving 3 --out s3://results/ltgs-sweep

Takes the options of ``wsvad tune`` (see ``--help``). Every training is a task on one CPU core or a fraction of a GPU.
An interrupted sweep resumes when it is run again.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["tune", *sys.argv[1:]]))
