"""Score every clip of extracted features, or of videos that are extracted first, as a Ray job.

    ray job submit --working-dir . -- python jobs/score.py \
        --features s3://features/cam7 --checkpoint s3://models/ltgs/checkpoint --out s3://scores/cam7

Takes the options of ``wsvad score`` (see ``--help``); ``--videos`` instead of ``--features`` starts from videos. Can be
killed at any time and run again; every clip is in the published snapshot exactly once. Takes seconds for hundreds of
videos, mostly for reading features.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["score", *sys.argv[1:]]))
