"""Bayesian latent-skill scaling laws: one posterior over LLM families, skills and benchmarks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import latentscale.baselines as baselines
    import latentscale.errors as errors
    import latentscale.plots as plots
    import latentscale.splits as splits
    from latentscale.backtesting import Backtest, backtest
    from latentscale.catalog import list_datasets, load_leaderboard, load_subtasks
    from latentscale.comparison import Comparison, compare, relative_gain
    from latentscale.fit import ScalingFit
    from latentscale.io import load_fit
    from latentscale.model import ScalingModel
    from latentscale.prediction import Prediction
    from latentscale.priors import Prior
    from latentscale.simulation import simulate
    from latentscale.table import ScoreTable

__version__ = "0.1.0"

# Where each public name lives. They are imported on first use: PyMC alone takes seconds to import,
# and a notebook that only looks at a table need not wait for it.
_HOMES = {
    "Backtest": "latentscale.backtesting",
    "Comparison": "latentscale.comparison",
    "Prediction": "latentscale.prediction",
    "Prior": "latentscale.priors",
    "ScalingFit": "latentscale.fit",
    "ScalingModel": "latentscale.model",
    "ScoreTable": "latentscale.table",
    "backtest": "latentscale.backtesting",
    "baselines": "latentscale.baselines",
    "compare": "latentscale.comparison",
    "errors": "latentscale.errors",
    "list_datasets": "latentscale.catalog",
    "load_fit": "latentscale.io",
    "load_leaderboard": "latentscale.catalog",
    "load_subtasks": "latentscale.catalog",
    "plots": "latentscale.plots",
    "relative_gain": "latentscale.comparison",
    "simulate": "latentscale.simulation",
    "splits": "latentscale.splits",
}

__all__ = [
    "Backtest",
    "Comparison",
    "Prediction",
    "Prior",
    "ScalingFit",
    "ScalingModel",
    "ScoreTable",
    "__version__",
    "backtest",
    "baselines",
    "compare",
    "errors",
    "list_datasets",
    "load_fit",
    "load_leaderboard",
    "load_subtasks",
    "plots",
    "relative_gain",
    "simulate",
    "splits",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'latentscale' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    value = getattr(home, name) if hasattr(home, name) else home
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
