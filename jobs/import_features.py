"""Import features made by other programs into a features data set, with their provenance.

    python jobs/import_features.py --files s3://sets/UCF_Train_ten_crop_i3d --out s3://features/ucf-rtfm \
        --source "RTFM i3d-r50 ten-crop" --manifest s3://sets/ucf-crime.parquet --id-suffix .mp4

Takes the options of ``wsvad import-features`` (see ``--help``). Does not need Ray. The speed is limited by the store
and about two CPU cores. The result can be trained on, scored and verified like an extracted data set.
"""

import sys

from wsvad.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["import-features", *sys.argv[1:]]))
