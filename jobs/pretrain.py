"""Train the embedded backbone, as a Ray job.

    ray job submit --working-dir . -- python jobs/pretrain.py --out /shared/pretrain --workers 8 --gpus-per-worker 1

Takes the options of ``wsvad pretrain`` (see ``--help``). Can be killed at any time; it resumes from its last state when
it is run again. ``docs/i3d-compact.md`` has the command that made the weights in the package.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["pretrain", *sys.argv[1:]]))
