"""Import features made by others into a features data set, with their provenance.

    python jobs/import_features.py --files s3://sets/UCF_Train_ten_crop_i3d --out s3://features/ucf-rtfm \
        --source "RTFM i3d-r50 ten-crop" --manifest s3://sets/ucf-crime.parquet --id-suffix .mp4

Takes the options of ``wsvad import-features`` (``--help`` lists them). Needs no Ray; as fast as the store and two or so
cores allow. Expect a features data set that train, score and verify read like an extracted one.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["import-features", *sys.argv[1:]]))
