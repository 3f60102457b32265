"""Train, score and evaluate several models with several seeds, and tabulate the results.

    ray job submit --working-dir . -- python jobs/compare.py --models all --seeds 5 --features s3://features/cam7 \\
        --manifest s3://lists/cam7.csv --out s3://results/cam7

Takes the options of ``wsvad compare`` (see ``--help``). Every run is a task on one CPU core. An interrupted comparison
resumes when it is run again. To estimate the duration, divide the total number of steps by the rates of ``make bench``
and by the cores of the cluster.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]]))
