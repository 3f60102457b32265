"""Train the embedded backbone: the script that ``ray job submit`` runs.

    ray job submit --working-dir . -- python jobs/pretrain.py --out /shared/pretrain --workers 8 --gpus-per-worker 1

Kill it at any time and run it again: it goes on from its last state. ``docs/i3d-compact.md`` says which command made
the weights in the package.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["pretrain", *sys.argv[1:]]))
