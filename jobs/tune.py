"""Search settings of a model on validation videos, with Ray Tune; results go to a folder or to object storage.

    ray job submit --working-dir . -- python jobs/tune.py --space ltgs-paper --features s3://features/ucf \\
        --manifest s3://lists/ucf.csv --trials 200 --halving 3 --out s3://results/ltgs-sweep

Takes the options of ``wsvad tune`` (``--help`` lists them). Every training is a job of one core, or of a part of a GPU;
killed and run again, the sweep goes on.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["tune", *sys.argv[1:]]))
