"""The plain latent-variable model: skills and nothing below them."""

from __future__ import annotations

from typing import Any

from latentscale.model import ScalingModel
from latentscale.table import ScoreTable


def plain_latent_model(table: ScoreTable, **settings: Any) -> ScalingModel:
    """Make a model in which all that LLMs score goes through their skills.

    Nothing deviates from the skills on a single benchmark, benchmarks have no slopes of their own
    and families no developers, recipes have no tails, the ceiling is one and the link a sigmoid:
    the latent-variable framework of arXiv 2512.06553 in this package's terms, sampled rather than
    estimated.

    Parameters
    ----------
    table : ScoreTable
    **settings
        As for :class:`latentscale.ScalingModel`, ``skills`` for instance.

    Returns
    -------
    ScalingModel

    References
    ----------
    arXiv 2512.06553 (A Latent Variable Framework for Scaling Laws in Large Language Models)

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["opt", "pythia", "llama"])
    >>> spec = ls.baselines.plain_latent_model(table).spec
    >>> spec.deviations, spec.ceiling, spec.benchmark_slopes, spec.link
    (False, False, False, 'logistic')
    """
    absent = ("deviations", "ceiling", "benchmark_slopes", "developers")
    plain: dict[str, Any] = dict.fromkeys(absent, False)
    plain |= {"link": "logistic", "recipe_tail": None, "likelihood": "normal"}
    return ScalingModel(table, **plain | settings)
