"""Bring scores and events of an archive up to date: the script that ``ray job submit`` runs every night.

    ray job submit --working-dir . -- python jobs/rescore.py \
        --archive s3://footage --root s3://results --cameras cameras.toml --checkpoint s3://models/ours/checkpoint

Takes the options of ``wsvad rescore`` (``--help`` lists them). Kill it at any time and run it again; start it twice,
and the second one is refused while the first is at work. Readers see the whole night before until the whole of this one
is there.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["rescore", *sys.argv[1:]]))
