"""19 statistics of optical flow in each of 49 cells, as a features data set.

Run ``python -m tests.baselines.flow_statistics --manifest M --out URI``, then give ``--features URI`` to ``wsvad
compare``, ``train`` and ``score`` as any other features. Frames are squashed to 224x224 grey; clips are 16 frames at
stride 16. Cuboids are ``[49, 19]``; pooled features ``[57]`` are their mean, maximum and standard deviation over cells.
All statistics are ``log(1 + x)``, divided by their root mean square over the manifest's training videos.
"""

from __future__ import annotations

from tests.baselines.command import run
from tests.baselines.dataset import HandmadeConfig
from tests.baselines.statistics import FLOW_CHANNELS, Floats, Grey, dense_flow, flow_statistics

CONFIG = HandmadeConfig(
    "flow-statistics", "DIS fast, every 4th vector, grey 224x224", FLOW_CHANNELS, logarithm=True, scale_C=()
)


def describe(frames_THW: Grey) -> Floats:
    """Return the statistics ``[49, 19]`` of a clip."""
    return flow_statistics(dense_flow(frames_THW))


if __name__ == "__main__":
    run(CONFIG, describe)
