# What type checkers read in place of __init__.py, which loads these names when they are used.
from wsvad.events.reading import EventSet as EventSet
from wsvad.features.reading import FeatureSet as FeatureSet
from wsvad.pipelines.inferencer import Inferencer as Inferencer
from wsvad.scores.reading import ScoreSet as ScoreSet

__version__: str
