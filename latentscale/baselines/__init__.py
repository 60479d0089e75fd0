"""Rivals of the model: what it must beat to be worth its time.

Each takes a :class:`latentscale.ScoreTable` and has the verbs ``fit`` and ``predict`` of
:class:`latentscale.ScalingModel`, so that :func:`latentscale.backtest` runs all alike.
"""

from latentscale.baselines.logistic import LogisticLaw
from latentscale.baselines.plain import plain_latent_model
from latentscale.baselines.point import FittedBaseline, PointBaseline
from latentscale.baselines.principal import PcaLaw
from latentscale.baselines.relatives import BasePlusShift, FamilyMean, NearestSibling
from latentscale.baselines.skills import SkillsLaw
from latentscale.baselines.trees import BoostedTrees

__all__ = [
    "BasePlusShift",
    "BoostedTrees",
    "FamilyMean",
    "FittedBaseline",
    "LogisticLaw",
    "NearestSibling",
    "PcaLaw",
    "PointBaseline",
    "SkillsLaw",
    "plain_latent_model",
]
