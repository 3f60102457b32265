"""Score every clip of extracted (or still to be extracted) videos: the script that ``ray job submit`` runs.

    ray job submit --working-dir . -- python jobs/score.py \
        --features s3://features/cam7 --checkpoint s3://models/ltgs/checkpoint --out s3://scores/cam7

Takes the options of ``wsvad score`` (``--help`` lists them); ``--videos`` instead of ``--features`` begins with video.
Kill it at any time and run it again: every clip has its score in the published snapshot exactly once. Expect seconds
for hundreds of videos, nearly all of it reading features.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["score", *sys.argv[1:]]))
