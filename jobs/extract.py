"""Extract features from a folder, bucket or manifest of videos: the script that ``ray job submit`` runs.

    ray job submit --working-dir . -- python jobs/extract.py --videos s3://archive/cam7 --out s3://features/cam7

Takes the options of ``wsvad extract`` (``--help`` lists them). Kill it at any time and run it again: every clip ends up
in the published snapshot exactly once. Expect the time that ``--dry-run``'s count of clips takes at the README's rates.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["extract", *sys.argv[1:]]))
