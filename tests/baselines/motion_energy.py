"""Mean absolute difference of successive grey frames in each of 49 cells, as a features data set.

Run ``python -m tests.baselines.motion_energy --manifest M --out URI``; ``tests.baselines.raw_scores`` evaluates it
without any training. Frames are squashed to 224x224 grey; clips are 16 frames at stride 16. Cuboids are ``[49, 1]``,
pooled features ``[3]``: mean, maximum and standard deviation over cells. All are divided by the root mean square of the
cells of the training videos.
"""

from __future__ import annotations

from tests.baselines.command import run
from tests.baselines.dataset import HandmadeConfig
from tests.baselines.statistics import ENERGY_CHANNELS, motion_energy

CONFIG = HandmadeConfig(
    "motion-energy", "absolute frame difference, grey 224x224", ENERGY_CHANNELS, logarithm=False, scale_C=()
)


if __name__ == "__main__":
    run(CONFIG, motion_energy)
