"""Find the events of every camera and day in the scores of its videos.

    python jobs/events.py --scores s3://scores/site --cameras s3://archive/cameras.toml --out s3://events/site
    ray job submit --working-dir . -- python jobs/events.py --scores … --cameras … --out …

Takes the options of ``wsvad events`` (``--help`` lists them). Needs no Ray. Kill it at any time and run it again: days
that are done are not done twice. Expect about a second for a camera-day, nearly all of it reading scores.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["events", *sys.argv[1:]]))
