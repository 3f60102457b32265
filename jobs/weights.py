"""List, fetch, convert and verify weights of the networks that features come from.

    ray job submit --working-dir . -- python jobs/weights.py fetch rgb_imagenet --to /shared/weights

Takes the arguments of ``wsvad weights`` (``--help`` lists them). A fetch takes as long as 50 to 250 MB take; killed and
run again, it goes on. Every node that extracts must find the file: give a folder that all of them see.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["weights", *sys.argv[1:]]))
