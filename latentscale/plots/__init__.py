"""Pictures, one for each question asked of a fit.

Every function takes a fit (:func:`calibration` a backtest), or the result of the function of the
same name in :mod:`latentscale.effects`, :mod:`latentscale.associations`,
:mod:`latentscale.curves`, :mod:`latentscale.checks` or :mod:`latentscale.calibration`, and returns
an ArviZ ``PlotCollection`` with a matplotlib figure: ``pc.savefig("families.png")``,
``pc.viz["figure"].item()``. They compute nothing and never open a window.
"""

from latentscale.plots.abilities import ability_ranking
from latentscale.plots.calibration import calibration
from latentscale.plots.comparison import predicted_vs_observed
from latentscale.plots.curves import scaling_curves
from latentscale.plots.families import family_effects
from latentscale.plots.features import feature_curve, feature_effects
from latentscale.plots.heatmap import feature_heatmap
from latentscale.plots.loading import loadings
from latentscale.plots.predictive import predictive_check

__all__ = [
    "ability_ranking",
    "calibration",
    "family_effects",
    "feature_curve",
    "feature_effects",
    "feature_heatmap",
    "loadings",
    "predicted_vs_observed",
    "predictive_check",
    "scaling_curves",
]
