"""Train, score and evaluate several models with several seeds, and make one table of them.

    ray job submit --working-dir . -- python jobs/ablate.py --models all --seeds 5 --features s3://features/cam7 \\
        --manifest s3://lists/cam7.csv --out s3://results/cam7

Takes the options of ``wsvad ablate`` (``--help`` lists them). Every run is a task of one core; killed and run again,
the comparison goes on. Expect the steps of every run at ``make bench``'s rates, divided by the cores of the cluster.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["ablate", *sys.argv[1:]]))
