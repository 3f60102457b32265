"""List, fetch, convert and verify the weights of backbones.

    ray job submit --working-dir . -- python jobs/weights.py fetch rgb_imagenet --to /shared/weights

Takes the arguments of ``wsvad weights`` (see ``--help``). A file has 50 to 250 MB; an interrupted download resumes when
it is run again. Every node that extracts must find the file, so use a shared folder.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["weights", *sys.argv[1:]]))
