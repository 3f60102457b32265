"""Train a model on features and video-level labels, as a Ray job.

    ray job submit --working-dir . -- python jobs/train.py --features s3://features/cam7 \
        --manifest s3://lists/cam7.csv --model ltgs --out s3://models/cam7-ltgs

Takes the options of ``wsvad train`` (see ``--help``). Can be killed at any time; it resumes from its last state and
continues the same curve when it is run again. The result is the folder OUT/checkpoint.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
