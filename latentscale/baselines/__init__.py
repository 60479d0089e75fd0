"""Simple rivals of the model: what it must beat to be worth its time.

Each takes a :class:`latentscale.ScoreTable` and has the verbs ``fit`` and ``predict`` of
:class:`latentscale.ScalingModel`, so that :func:`latentscale.backtest` runs all alike.
"""

from latentscale.baselines.logistic import LogisticLaw
from latentscale.baselines.point import FittedBaseline, PointBaseline
from latentscale.baselines.relatives import BasePlusShift, FamilyMean, NearestSibling

__all__ = [
    "BasePlusShift",
    "FamilyMean",
    "FittedBaseline",
    "LogisticLaw",
    "NearestSibling",
    "PointBaseline",
]
