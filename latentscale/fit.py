"""ScalingFit: a model with its posterior, and every question that can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.errors import PredictionError
from latentscale.estimates import require_probability
from latentscale.evaluated import conditions_of
from latentscale.health import UNORDERED, Diagnosis, diagnose
from latentscale.layout import constant_data, observed_data, of_cells
from latentscale.model import ScalingModel
from latentscale.prediction import Prediction, joint_log_density, predict, replicate
from latentscale.wording import first, quoted, with_nearest

if TYPE_CHECKING:
    from latentscale.associations import Associations, FeatureCurve
    from latentscale.checks import PredictiveCheck
    from latentscale.curves import ScalingCurve
    from latentscale.estimates import Estimates
    from latentscale.imputation import Imputed
    from latentscale.relevances import Relevances
    from latentscale.spec import ModelSpec
    from latentscale.table import ScoreTable

# What `summary` leaves out by default: what is many, and labels without an order.
_MANY = ("developer_deviation", "family_deviation", "recipe_deviation", "llm_effect")

_ON_DEMAND = ("posterior_predictive", "prior", "log_likelihood", "log_prior")


@dataclass(frozen=True, eq=False, repr=False)
class ScalingFit:
    """A fitted model: the posterior, and what follows from it.

    Attributes
    ----------
    model : ScalingModel
        What was fitted.
    idata : xarray.DataTree
        Plain ArviZ, with the groups ``posterior``, ``sample_stats``, ``observed_data`` and
        ``constant_data``; ``sampled`` holds the parameters behind the posterior's that carry a
        prior. :meth:`extend` adds more groups.
    """

    model: ScalingModel
    idata: xr.DataTree

    @classmethod
    def from_draws(
        cls, model: ScalingModel, draws: xr.DataTree, attrs: Mapping[str, Any]
    ) -> ScalingFit:
        """Assemble the DataTree from what a sampler gave."""
        from latentscale.graph import REPORTED

        drawn = draws["posterior"].to_dataset()
        reported = [name for name in (*REPORTED, "configuration") if name in drawn]
        hidden = [str(name) for name in drawn.data_vars if name not in reported]
        tree = xr.DataTree.from_dict(
            {
                "posterior": drawn[reported],
                "sampled": drawn[hidden],
                "sample_stats": draws["sample_stats"].to_dataset(),
                "observed_data": observed_data(model.design),
                "constant_data": constant_data(model.design),
            }
        )
        tree.attrs |= {name: str(value) for name, value in attrs.items()}
        return cls(model, tree)

    @property
    def table(self) -> ScoreTable:
        """The table that was fitted."""
        return self.model.table

    @property
    def spec(self) -> ModelSpec:
        """The settings of the model."""
        return self.model.spec

    @property
    def posterior(self) -> xr.Dataset:
        """The posterior as a Dataset, dims (chain, draw, ...)."""
        dataset: xr.Dataset = self.idata["posterior"].to_dataset()
        return dataset

    @property
    def sample_stats(self) -> xr.Dataset:
        """What the sampler reports of its draws, dims (chain, draw, ...)."""
        dataset: xr.Dataset = self.idata["sample_stats"].to_dataset()
        return dataset

    def diagnose(self, var_names: str | Sequence[str] | None = None) -> Diagnosis:
        """Check the sampler's health and say it in plain words.

        Parameters
        ----------
        var_names : sequence of str, optional
            Default: everything but deviations and LLM effects, which follow the scales, and show
            in abilities. Of a variable with more than 50 elements those are looked at whose draws
            wander most (:mod:`latentscale.suspects`).

        Returns
        -------
        Diagnosis
            ``ok``, ``text``, ``problems``, and the worst figures by variable in ``summary``.
        """
        if var_names is None:
            return self._health
        return self._diagnosed(self._known_names(var_names))

    @cached_property
    def _health(self) -> Diagnosis:
        return self._diagnosed(self._known_names(None))

    def _diagnosed(self, names: list[str]) -> Diagnosis:
        return diagnose(self.posterior[names], self.sample_stats)

    def _known_names(self, var_names: str | Sequence[str] | None) -> list[str]:
        """Check names of the posterior's variables; the default is what the summary shows."""
        posterior = self.posterior
        if var_names is None:
            hidden = UNORDERED.union(_MANY)
            return [str(name) for name in posterior if name not in hidden]
        known = [str(name) for name in posterior]
        asked = [var_names] if isinstance(var_names, str) else list(var_names)
        unknown = [name for name in asked if name not in known]
        if unknown or not asked:
            named = first(with_nearest(unknown, known)) or "variable without a name"
            raise PredictionError(
                f"The posterior has no {named}. Its variables are {first(quoted(known), 30)}."
            )
        return asked

    def summary(
        self, var_names: str | Sequence[str] | None = None, ci_prob: float | None = None
    ) -> pd.DataFrame:
        """Summarise the posterior with ArviZ.

        Parameters
        ----------
        var_names : sequence of str, optional
            Default: everything but deviations and LLM effects. Loadings that are zero by
            construction are left out.
        ci_prob : float, optional
            Of the equal-tailed interval; default: ``arviz.rcParams``.

        Returns
        -------
        pandas.DataFrame
            One row a parameter, with ArviZ's columns.

        Notes
        -----
        ArviZ 1.3 stacks the dims of all variables in one order and labels them in each variable's
        own: ``az.summary(fit.idata)`` gives numbers to the wrong elements. One variable at a time,
        as here, it is right.
        """
        import arviz as az

        posterior = self.posterior
        # Loadings that are zero by construction divide 0 by 0.
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = [
                az.summary(posterior[[name]], ci_prob=ci_prob, round_to="none")
                for name in self._known_names(var_names)
            ]
        frame: pd.DataFrame = pd.concat(parts)
        return frame[frame["sd"] > 0]

    def predict(
        self,
        llms: pd.DataFrame,
        scores: pd.DataFrame | None = None,
        ci_prob: float = 0.9,
        random_seed: int | None = 1,
        *,
        benchmarks: Sequence[str] | None = None,
        conditions: pd.DataFrame | None = None,
    ) -> Prediction:
        """Predict the scores of LLMs: fitted ones, bigger siblings, new recipes, new families.

        Parameters
        ----------
        llms : pandas.DataFrame
            Columns ``llm``, ``family`` and the features of the formula; optionally ``recipe``,
            ``tuned`` and ``developer``: a new family is then about the developer's others. An LLM
            of the fitted table is predicted with its own effects; its name alone will do. Columns
            named like the model's ``conditions`` say how the LLMs are evaluated; default: as their
            fitted scores were, else as is usual for tuned or for other LLMs.
        scores : pandas.DataFrame, optional
            Known scores of these LLMs (``llm``, ``benchmark``, ``score``), which are conditioned
            on without fitting the rest again; with columns of the model's ``conditions``, if any,
            and with ``successes`` and ``trials`` if the likelihood counts right answers.
        ci_prob : float, default 0.9
            Probability of the intervals in the summary.
        random_seed : int, default 1
            The same seed gives the same draws.
        benchmarks : sequence of str, optional
            What to predict; default: every fitted benchmark.
        conditions : pandas.DataFrame, optional
            How single scores are evaluated: ``llm``, ``benchmark`` and columns of the model's
            ``conditions``; or of ``trials``, if the likelihood counts: of how many items the new
            score is (default: as many as the benchmark has).

        Returns
        -------
        Prediction
            With ``summary`` and ``draws``.

        Raises
        ------
        TableError, FeatureError, PredictionError, SpecError
            The LLMs, their scores or their conditions cannot be used.

        Warns
        -----
        ExtrapolationWarning
            An LLM lies outside the range of the fitted ones.
        PredictionWarning
            The known scores leave few effective draws, or a developer is spelt unlike a fitted one.
        """
        return predict(
            self.model,
            self.posterior,
            llms,
            scores,
            ci_prob,
            random_seed,
            benchmarks,
            conditions,
        )

    def conditions_of(self, scores: pd.DataFrame) -> pd.DataFrame | None:
        """Give what scores say of how they were evaluated, as ``predict(conditions=)`` takes it.

        Parameters
        ----------
        scores : pandas.DataFrame
            Rows of a table's ``scores``.

        Returns
        -------
        pandas.DataFrame or None
            ``llm``, ``benchmark`` and columns of the model's ``conditions``, and ``trials`` if the
            likelihood counts right answers; None if the model asks for neither.
        """
        return conditions_of(self.model, scores)

    def log_density(
        self, llms: pd.DataFrame, scores: pd.DataFrame, *, random_seed: int | None = 1
    ) -> pd.DataFrame:
        r"""Judge scores that the fit has not seen by their joint predictive density.

        Unlike errors of single scores, it asks whether the scores of a family are likely together.

        Parameters
        ----------
        llms, scores : pandas.DataFrame
            As for :meth:`predict`.
        random_seed : int, default 1
            The same seed gives the same figures.

        Returns
        -------
        pandas.DataFrame
            One row a family: ``family``; ``n``, its scores; ``log_density``, in nats; ``mcse``, its
            Monte Carlo error, which is not to be trusted itself where it exceeds one or so.

        Raises
        ------
        TableError, FeatureError, PredictionError
            The LLMs or their scores cannot be used, or there is no score.

        Notes
        -----
        .. math:: \log \frac{1}{S} \sum_s p(\mathrm{scores} \mid \theta_s)

        over the draws :math:`\theta_s`; effects of new families, recipes and LLMs are averaged out
        within each draw, by importance sampling about their mode.
        """
        return joint_log_density(self.model, self.posterior, llms, scores, random_seed)

    def posterior_predictive(
        self, level: str | None = None, random_seed: int | None = 1
    ) -> xr.DataTree:
        """Draw replicates of the observed scores, for checks of the model.

        Parameters
        ----------
        level : {"score", "llm", "recipe", "family", "developer"}, optional
            The highest level whose effects are drawn anew, with all below it. With ``"score"``
            every LLM keeps its own effects, which were fitted to these very scores: such replicates
            lie closer to the data than their intervals say, so checks are too kind: on the bundled
            leaderboard 96 to 100 % of the scores of a benchmark lie in their 90 % interval. Effects
            of the levels above have seen the scores too. Default: the highest level that there is,
            which asks what an unseen family would score, of a developer that nobody has seen where
            the model has developers: many have a single family, whose scores theirs were fitted to.
        random_seed : int, default 1

        Returns
        -------
        xarray.DataTree
            Groups ``posterior_predictive`` and ``observed_data``, for ArviZ's ``plot_ppc_*``.

        References
        ----------
        Marshall and Spiegelhalter (2007), mixed predictive checks.
        """
        scores = replicate(self.model, self.posterior, level, random_seed)
        return xr.DataTree.from_dict(
            {
                "posterior_predictive": of_cells(self.model.design, "score", scores),
                "observed_data": observed_data(self.model.design),
            }
        )

    def coverage(
        self, ci_prob: float = 0.9, level: str | None = None, random_seed: int | None = 1
    ) -> pd.DataFrame:
        """Check, by benchmark, how many observed scores lie in their predictive interval.

        Parameters
        ----------
        ci_prob : float, default 0.9
        level : {"score", "llm", "recipe", "family", "developer"}, optional
            As in :meth:`posterior_predictive`.
        random_seed : int, default 1

        Returns
        -------
        pandas.DataFrame
            Indexed by benchmark: ``n``, ``coverage`` (a share), ``width`` (mean width of the
            interval) and ``mae`` (mean absolute error of the predictive mean), both fractions.

        Raises
        ------
        PredictionError
            ``ci_prob`` is no probability, or ``level`` is not known.
        """
        from latentscale.checks import coverage_by_benchmark

        require_probability(ci_prob)
        scores = replicate(self.model, self.posterior, level, random_seed)
        return coverage_by_benchmark(
            self.model.design, scores.reshape(-1, scores.shape[-1]), ci_prob
        )

    def predictive_check(
        self, level: str | None = None, ci_prob: float = 0.9, random_seed: int | None = 1
    ) -> PredictiveCheck:
        """Check by benchmark whether the model would produce scores like the observed ones.

        ``ls.plots.predictive_check`` draws it.

        Parameters
        ----------
        level : {"score", "llm", "recipe", "family", "developer"}, optional
            As in :meth:`posterior_predictive`.
        ci_prob : float, default 0.9
            Of the intervals whose coverage is counted.
        random_seed : int, default 1

        Returns
        -------
        PredictiveCheck
            ``summary``: as :meth:`coverage`, and whether the coverage is ``off`` by more than
            chance. ``draws``: the distribution of the scores of each benchmark, observed and
            replicated.

        Raises
        ------
        PredictionError
            ``ci_prob`` is no probability, or ``level`` is not known.
        """
        from latentscale.checks import predictive_check

        return predictive_check(self, level, ci_prob, random_seed)

    def loadings(self, ci_prob: float | None = None) -> Estimates:
        """Say how much each benchmark asks of each skill.

        ``ls.plots.loadings`` draws it.

        Parameters
        ----------
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.

        Returns
        -------
        Estimates
            As :func:`latentscale.effects.loadings` gives it.
        """
        from latentscale.effects import loadings

        return loadings(self, ci_prob)

    def family_effects(self, ci_prob: float | None = None) -> Estimates:
        """Give what each family is good at beyond its features and tuning, by skill.

        What it shares with the other families of its developer is part of it.
        ``ls.plots.family_effects`` draws it.

        Parameters
        ----------
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.

        Returns
        -------
        Estimates
            ``summary``: ``skill``, ``family``, ``n_llms``, mean, sd and intervals in logits of the
            skill's anchor, and ``p_positive``, the probability that the effect is above zero; the
            best families of each skill first. ``draws``: ``family_effect``.
        """
        from latentscale.effects import family_effects

        return family_effects(self, ci_prob)

    def developer_effects(self, ci_prob: float | None = None) -> Estimates:
        """Give what the families of each developer have in common, by skill.

        Parameters
        ----------
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.

        Returns
        -------
        Estimates
            As :meth:`family_effects`, with ``developer`` and ``n_families``. ``draws``:
            ``developer_effect``.

        Raises
        ------
        SpecError
            The model has no developers.
        """
        from latentscale.effects import developer_effects

        return developer_effects(self, ci_prob)

    def feature_effects(
        self,
        on: str = "skill",
        benchmarks: Sequence[str] | None = None,
        ci_prob: float | None = None,
        *,
        sensitivity: bool = False,
    ) -> Associations:
        """Say what features are associated with, and what these data cannot tell of them.

        Parameters
        ----------
        on : {"skill", "score"}, default "skill"
            What each design column, and tuning, adds to each skill
            (:func:`latentscale.associations.skill_effects`), or how expected scores differ between
            usual values of each feature (:func:`latentscale.associations.score_effects`).
        benchmarks : sequence of str, optional
            For scores; default: every fitted benchmark.
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.
        sensitivity : bool, default False
            For skills: add how much each effect depends on its prior and on the scores
            (``az.psense_summary``). It takes some seconds.

        Returns
        -------
        Associations

        Raises
        ------
        PredictionError
            ``on`` or a benchmark is not known, or benchmarks are given for skills, or sensitivity
            is asked for of scores.
        """
        from latentscale.associations import score_effects, skill_effects

        if on == "skill":
            if benchmarks is not None:
                raise PredictionError(
                    'benchmarks= was given, and effects on skills are of none: use on="score" '
                    "for effects on benchmarks, or leave it out."
                )
            return skill_effects(self, ci_prob, sensitivity=sensitivity)
        if on == "score":
            if sensitivity:
                raise PredictionError(
                    'sensitivity=True says how effects on skills depend on priors: use on="skill", '
                    "or leave it out."
                )
            return score_effects(self, benchmarks, ci_prob)
        raise PredictionError(
            f"on={first(with_nearest([str(on)], ['skill', 'score']))} is neither 'skill' nor "
            "'score', which features can have effects on."
        )

    def imputed(self, ci_prob: float | None = None) -> Imputed:
        """Say what the unknown features of fitted LLMs may be, given what is known and the scores.

        Parameters
        ----------
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.

        Returns
        -------
        Imputed
            ``summary``, of numbers: ``llm``, ``family``, ``feature``, mean, sd and intervals in the
            unit of the feature's column, and ``learnt``, by how much scores narrowed it (0: not at
            all). ``categories``: the probability of each. ``draws``: ``imputed``, dims (chain,
            draw, unknown).

        Raises
        ------
        PredictionError
            Nothing was unknown.
        """
        from latentscale.imputation import imputed

        return imputed(self, ci_prob)

    def relevances(self, ci_prob: float | None = None) -> Relevances:
        """Say how much of its prior each shrunk feature keeps, and how many features matter.

        Parameters
        ----------
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.

        Returns
        -------
        Relevances
            ``summary``: ``term``, ``n_columns``, mean, sd and intervals of its relevance in (0, 1),
            the largest first. ``n_effective``: how many of the shrunk columns matter.

        Raises
        ------
        PredictionError
            No feature is shrunk.
        """
        from latentscale.relevances import relevances

        return relevances(self, ci_prob)

    def contrast(
        self,
        feature: str,
        value: Any,
        reference: Any,
        benchmarks: Sequence[str] | None = None,
        ci_prob: float | None = None,
    ) -> Associations:
        """Say by how much expected scores differ between two values of a feature, all else held.

        An average comparison: every fitted LLM is expected to score with the one value and with the
        other, and the differences are averaged.

        Parameters
        ----------
        feature : str
            A column that the formula uses, or ``"tuned"``.
        value, reference : object
            What is compared with what, in the unit of the column, or categories.
        benchmarks : sequence of str, optional
            Default: every fitted benchmark.
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.

        Returns
        -------
        Associations
            ``summary``: by benchmark, mean, sd and intervals of the difference, as fractions; the
            probability of its direction, the share of the feature's variation ``between``
            families. ``caveats`` say what these data cannot tell.

        Raises
        ------
        PredictionError, FeatureError
            The formula does not use the feature, or a category was never seen.
        """
        from latentscale.associations import contrast

        return contrast(self, feature, value, reference, benchmarks, ci_prob)

    def curve(
        self,
        feature: str,
        benchmarks: Sequence[str] | None = None,
        ci_prob: float | None = None,
        *,
        grid: Sequence[float] | None = None,
    ) -> FeatureCurve:
        """Give expected scores along a feature, averaged over the fitted LLMs.

        For one family along its size see :meth:`scaling_curve`; ``ls.plots.feature_curve`` draws
        it, with the data's density under it.

        Parameters
        ----------
        feature : str
            A column of numbers that the formula uses.
        benchmarks : sequence of str, optional
            Default: every fitted benchmark.
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.
        grid : sequence of float, optional
            Values in the unit of the column; default: over the range of the fitted LLMs, on a
            scale of logarithms if the formula takes them.

        Returns
        -------
        FeatureCurve
            ``summary``: by benchmark and value, mean, sd and intervals, as fractions.

        Raises
        ------
        PredictionError
            The formula does not use the feature, it is no number, or a benchmark is not known.
        """
        from latentscale.associations import feature_curve

        return feature_curve(self, feature, benchmarks, ci_prob, grid=grid)

    def ability_ranking(
        self,
        skill: str | None = None,
        llms: Sequence[str] | None = None,
        ci_prob: float | None = None,
    ) -> Estimates:
        """Rank the fitted LLMs by an ability, with intervals of ability and rank.

        ``ls.plots.ability_ranking`` draws it.

        Parameters
        ----------
        skill : str, optional
            Its name or its anchor's; default: the first.
        llms : sequence of str, optional
            Show these only; ranks stay those among all fitted LLMs.
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.

        Returns
        -------
        Estimates
            ``summary``, the best first: ``rank``, ``rank_lb``, ``rank_ub``, ``llm``, ``family``,
            ``recipe``, ``tuned``, ``skill``, then mean, sd and intervals of the ability in logits
            of the skill's anchor. ``draws``: ``ability``, dims (chain, draw, llm).

        Raises
        ------
        PredictionError
            The skill or an LLM is not known.
        """
        from latentscale.effects import ability_ranking

        return ability_ranking(self, skill, llms, ci_prob)

    def scaling_curve(
        self,
        family: str,
        benchmarks: Sequence[str] | None = None,
        ci_prob: float | None = None,
        *,
        grid: Sequence[float] | None = None,
        at: Mapping[str, Any] | None = None,
        recipe: str | None = None,
        random_seed: int | None = 1,
    ) -> ScalingCurve:
        """Predict what a family would score at other sizes, with bands.

        ``ls.plots.scaling_curves`` draws it.

        Parameters
        ----------
        family : str
            A fitted family.
        benchmarks : sequence of str, optional
            Default: every fitted benchmark.
        ci_prob : float, optional
            Of the outer interval; default: ``arviz.rcParams``.
        grid : sequence of float, optional
            Sizes in 1e9 parameters; default: about the family's own.
        at : mapping, optional
            Features to hold at other values than the family's, such as ``{"tokens_t": 15.0}``.
        recipe : str, optional
            A fitted recipe of the family, such as its chat LLMs; default: its base LLMs.
        random_seed : int, default 1
            The same seed gives the same draws.

        Returns
        -------
        ScalingCurve
            ``summary``: by benchmark and size, the expected score and a new one, with intervals.

        Raises
        ------
        PredictionError
            The family, its recipe, a benchmark or a feature is not known, the formula does not use
            ``params_b``, or no grid can be made.

        Warns
        -----
        ExtrapolationWarning
            A grid or a value given lies outside the range of the fitted LLMs.
        """
        from latentscale.curves import scaling_curve

        return scaling_curve(
            self, family, benchmarks, ci_prob, grid=grid, at=at, recipe=recipe,
            random_seed=random_seed,
        )  # fmt: skip

    def extend(self, *groups: str, random_seed: int | None = 1) -> ScalingFit:
        """Add groups to :attr:`idata` that are made on demand.

        Parameters
        ----------
        *groups : {"posterior_predictive", "prior", "log_likelihood", "log_prior"}
            ``log_likelihood`` is what ``az.loo`` and ``az.compare`` need, both ``log_`` groups what
            ``az.psense`` needs. ``log_prior`` holds the priors that can be overridden; effects of
            families, recipes and LLMs are part of the model, not of the prior.
        random_seed : int, default 1

        Returns
        -------
        ScalingFit
            A new one; this one stays as it is.

        Raises
        ------
        PredictionError
            A group is not known.

        Examples
        --------
        ``az.loo(fit.extend("log_likelihood").idata)``
        """
        unknown = [name for name in groups if name not in _ON_DEMAND]
        if unknown:
            raise PredictionError(
                f"extend() cannot make {first(with_nearest(unknown, _ON_DEMAND))}. It makes "
                f"{first(quoted(_ON_DEMAND), 9)}."
            )
        made: dict[str, xr.Dataset] = {}
        for name in groups:
            made |= self._make(name, random_seed)
        current = {child: self.idata[child].to_dataset() for child in self.idata.children}
        tree = xr.DataTree.from_dict(current | made)
        tree.attrs |= self.idata.attrs
        return replace(self, idata=tree)

    def _make(self, group: str, random_seed: int | None) -> dict[str, xr.Dataset]:
        from latentscale.densities import log_likelihood, log_prior
        from latentscale.sampling import prior_tree

        if group == "posterior_predictive":
            tree = self.posterior_predictive(random_seed=random_seed)
            return {group: tree[group].to_dataset()}
        if group == "prior":
            tree = prior_tree(self.model, 500, random_seed)
            return {name: tree[name].to_dataset() for name in ("prior", "prior_predictive")}
        if group == "log_likelihood":
            return {group: log_likelihood(self.model, self.posterior)}
        return {group: log_prior(self.model, self.posterior, self.idata["sampled"].to_dataset())}

    def save(self, path: str | Path) -> Path:
        """Write the fit to one netCDF file, with its table, its settings and the versions.

        Parameters
        ----------
        path : str or pathlib.Path

        Returns
        -------
        pathlib.Path
            Where it was written. A file of that name is replaced only once all is written.

        Raises
        ------
        SaveError
            The file cannot be written.
        """
        from latentscale.io import save_fit

        return save_fit(self, path)

    def __repr__(self) -> str:
        """Say what was fitted and how the chains are."""
        from latentscale.describe import fit_text

        return fit_text(self)

    def _repr_html_(self) -> str:
        from latentscale.describe import fit_html

        return fit_html(self)
