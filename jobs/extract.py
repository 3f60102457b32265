"""Extract features from a folder, bucket or manifest of videos, as a Ray job.

    ray job submit --working-dir . -- python jobs/extract.py --videos s3://archive/cam7 --out s3://features/cam7

Takes the options of ``wsvad extract`` (see ``--help``). Can be killed at any time and run again; every clip is in the
published snapshot exactly once. To estimate the duration, divide the clips reported by ``--dry-run`` by the rates in
the README.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["extract", *sys.argv[1:]]))
