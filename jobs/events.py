"""Detect the events of every camera and day from the scores of its videos.

    python jobs/events.py --scores s3://scores/site --cameras s3://archive/cameras.toml --out s3://events/site
    ray job submit --working-dir . -- python jobs/events.py --scores … --cameras … --out …

Takes the options of ``wsvad events`` (see ``--help``). Does not need Ray. Can be killed at any time and run again;
finished days are not repeated. Takes about a second per camera and day, mostly for reading scores.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["events", *sys.argv[1:]]))
