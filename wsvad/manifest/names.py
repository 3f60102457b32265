"""Names of splits, public data sets and content identities. Imports nothing heavy, for use by the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Split = Literal["train", "val", "test"]
Identity = Literal["stat", "digest"]
"""How changes of content are detected: by size and time or ETag, or by a digest of every byte."""
Ped2Split = Literal["weak", "swapped", "original"]
"""``weak``: train on Train001-010 and the odd Test videos, test on Train011-016 and the even ones. ``swapped``: train
on Train007-016 and the even Test videos, test on Train001-006 and the odd ones; both together test every anomalous
video once. ``original``: train on all 16 Train videos (none is anomalous), test on all 12 Test videos."""
DataSetName = Literal[
    "ucf-crime",
    "ucf-crime-boxes",
    "ucfcrime2local",
    "shanghaitech",
    "xd-violence",
    "ucsd-ped2",
    "survfight-temporal",
    "survfight-spatial",
]
DESCRIPTIONS: Mapping[DataSetName, str] = {
    "ucf-crime": "UCF-Crime: 1,610 training and 290 test videos, 13 crimes",
    "ucf-crime-boxes": "UCF-Crime with the boxes of Liu and Ma",
    "ucfcrime2local": "UCFCrime2Local: 300 videos with boxes (VATIC rows)",
    "shanghaitech": "ShanghaiTech, weakly supervised split: 238 and 199 videos",
    "xd-violence": "XD-Violence: 3,954 training and 800 test videos",
    "ucsd-ped2": "UCSD Ped2: 28 videos of one walkway",
    "survfight-temporal": "SurvFight, fights in time",
    "survfight-spatial": "SurvFight, fights in one tile of a mosaic",
}
"""One-line description of each data set."""
