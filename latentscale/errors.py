"""Errors and warnings: one root, one branch per stage of the journey."""

from __future__ import annotations

import pandas as pd


class LatentScaleError(Exception):
    """Root of every error that latentscale raises on purpose."""


class TableError(LatentScaleError, ValueError):
    """A score table is not usable; every problem found is reported at once.

    Attributes
    ----------
    problems : pandas.DataFrame
        One row per offending row or label, with the columns ``problem`` (a short code such as
        ``"score outside [0, 1]"``), ``frame`` (``scores``, ``llms`` or ``benchmarks``), ``row``
        (the index label in that frame), ``llm``, ``benchmark`` and ``value``.
    """

    def __init__(self, message: str, problems: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.problems = pd.DataFrame() if problems is None else problems


class CatalogError(LatentScaleError, LookupError):
    """A bundled data set was asked for under a name that the catalog does not hold."""


class FeatureError(LatentScaleError, ValueError):
    """A feature formula cannot be read, or the table's columns cannot feed it."""


class SpecError(LatentScaleError, ValueError):
    """A model was asked for with settings that do not exist or do not fit the table."""


class PriorError(LatentScaleError, ValueError):
    """A prior was overridden under an unknown name, or with unusable parameters."""


class SamplingError(LatentScaleError, RuntimeError):
    """The sampler could not run."""


class PredictionError(LatentScaleError, ValueError):
    """New LLMs or their known scores cannot be predicted from this fit."""


class SplitError(LatentScaleError, ValueError):
    """A table cannot be split in the way that was asked for."""


class BacktestError(LatentScaleError, RuntimeError):
    """Folds of a backtest failed; those that finished are kept."""


class SaveError(LatentScaleError, OSError):
    """A fit could not be written, or a file is not a readable latentscale fit."""


class LatentScaleWarning(UserWarning):
    """Root of every warning that latentscale gives."""


class TableWarning(LatentScaleWarning):
    """A table is usable but looks mistaken, such as two family labels that differ only by case."""


class MissingFeatureWarning(LatentScaleWarning):
    """LLMs are predicted less surely, for want of a feature."""


class InterruptedWarning(LatentScaleWarning):
    """Sampling was interrupted: a fit holds the draws that there were."""


class ConvergenceWarning(LatentScaleWarning):
    """The chains do not support the posterior: it is not a result yet."""


class ExtrapolationWarning(LatentScaleWarning):
    """A prediction lies outside the range of the LLMs that the model was fitted to."""


class PredictionWarning(LatentScaleWarning):
    """A prediction was computed but rests on few effective draws or an unusual input."""
