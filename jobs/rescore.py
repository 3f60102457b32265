"""Update the scores and events of an archive, as a nightly Ray job.

    ray job submit --working-dir . -- python jobs/rescore.py \
        --archive s3://footage --root s3://results --cameras cameras.toml --checkpoint s3://models/ours/checkpoint

Takes the options of ``wsvad rescore`` (see ``--help``). Can be killed at any time and run again. While one run is
active, a second one is refused. Readers see the results of the previous night until those of this one are complete.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["rescore", *sys.argv[1:]]))
