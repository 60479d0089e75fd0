"""ScalingModel: a table, a specification and priors, ready to be fitted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pandas.api.types import is_datetime64_any_dtype

from latentscale.design import Design, make_design, slope_columns
from latentscale.errors import ConvergenceWarning, InterruptedWarning, SpecError
from latentscale.likelihoods import likelihood_of
from latentscale.priors import Prior, merge_priors
from latentscale.shrinkage import usually_shrunk
from latentscale.spec import ModelSpec, choose_anchors, listed
from latentscale.table import ScoreTable, scored_llms
from latentscale.table.columns import DATE
from latentscale.wording import chains_of, first, quoted

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm
    import xarray as xr

    from latentscale.fit import ScalingFit

# Evidence for the features: mean absolute error and CRPS in points of backtests on the bundled
# leaderboard, the families dealt to six folds (those with a suite or a date hidden to eight and
# four), 300 draws of 2 chains; each row has what is in those above it.
#                   none known  smallest   two known  largest    suite      future     tuned
#   size * tokens   5.13 3.69   3.70 2.67  3.76 2.72  3.26 2.37  2.44 1.75  6.02 4.40  4.23 3.09
#   tuned:size      5.06 3.65              3.63 2.61                        6.05 4.45  4.07 2.99
#   size^2          5.12 3.68   3.63 2.62  3.56 2.58  3.21 2.32  2.34 1.68  6.04 4.45  4.07 3.02
#   release date    4.86 3.47   3.56 2.55  3.50 2.52  3.21 2.33  2.30 1.66  5.79 4.28  3.93 2.92
#   developers      4.47 3.24   3.52 2.54  3.51 2.53  3.26 2.36  2.33 1.67  5.44 4.03  4.03 3.00
# With one family left out at a time, so that its developer's others are known, developers take the
# error of unseen families from 4.72 to 4.42. Scales that differ between families (a few are far
# more unusual than most) change nothing: 4.40 3.23, 3.53 2.54, 3.52 2.53 for the first three.
# On Sloth's protocol size^2 takes the error from 3.52 to 3.20 (six benchmarks) and from 3.25 to
# 3.20 (twelve); without the product of size and tokens it is 3.79 and 3.83. Slopes of tuned LLMs in
# tokens too make it worse (3.59, 3.34), and so do the square of tokens (3.30, 3.22), and slopes in
# size that differ between families (none known 5.21, future 6.58).
DEFAULT_FEATURES = "log(params_b) * log(tokens_t)"

# Evidence for the defaults, on the bundled leaderboard (224 LLMs, 1,959 scores): elpd by PSIS-LOO,
# which is rough here, as up to a third of the cells have a Pareto k above 0.7, so that only large
# gaps count; and the range over benchmarks of the coverage of 90 % intervals of unseen families.
#   skills   asymmetric link         sigmoid                 Student t
#   1        4,716, 89 to 96 %                               4,666, 89 to 95 %
#   2        4,812, 87 to 95 %       4,679, 89 to 96 %
#   3        4,940, 89 to 95 %       4,846, 87 to 96 %       4,807, 87 to 97 %
#   4        4,976, 87 to 96 %
# The fourth skill adds little, and the slowest parameter then gives 327 effective draws of 4,000
# instead of 556. With a sigmoid the intervals of low scorers on MMLU are too wide.
# That was before effects correlated between skills, recipes had tails and a Student t was censored.
# Of the present model, families dealt to ten folds, mean absolute error and CRPS in points:
#               none known  smallest   two known  largest    suite      future     tuned
#   Normal      4.39 3.19   3.43 2.47  3.38 2.42  3.02 2.17  2.12 1.54  5.42 4.02  3.80 2.79
#   Student t   4.36 3.17   3.43 2.47  3.35 2.40  3.01 2.17  2.11 1.53  5.40 3.99  3.80 2.80
# (not censored, its error of two known is 3.41 and of the future 5.43.) The degrees of freedom are
# 5.0, give or take 0.9: a few evaluations are far off. On Sloth's protocol, where doubtful scores
# are not left out, it takes the error from 3.21 to 3.13 (twelve benchmarks; six: 3.30 with either).
DEFAULT_SKILLS = 3
DEFAULT_LIKELIHOOD = "student_t"
DEFAULT_LINK = "asymmetric"

# Evidence, on the bundled leaderboard, families dealt to ten folds: mean absolute error and CRPS in
# points, and how many scores on HellaSwag the 50 % intervals of the three hold. There the effects
# of a Normal were 0.1 in the middle and 0.2 in root mean square.
#   effects on skills of                       none known  tuned      future     HellaSwag
#   recipes Normal                             4.35 3.17   3.82 2.85  5.46 4.06  63 %
#   recipes with a tail of 8                   4.36 3.17   3.80 2.80  5.47 4.04  60 %
#   recipes with a tail of 4                   4.37 3.18   3.78 2.78  5.43 4.01  58 %
#   recipes with a tail of 2.5                 4.39 3.19   3.78 2.79  5.46 4.04  58 %
#   recipes and families with a tail of 4      4.36 3.18   3.74 2.77  5.47 4.04  60 %
#   recipes and their deviations, tails of 4   4.36 3.17   3.77 2.79  5.39 3.99  58 %
# With the last, effects and deviations of outlying recipes trade places: the worst bulk ESS of
# 1,600 draws was 106 of an effect, and 560 without (one run each). Where nobody is tuned, families
# hardly have more than one recipe, whose effect stands for theirs; tails then keep features from
# explaining outlying families: on base LLMs with all design choices (benchmarks/choices.py) errors
# of unseen families are 5.4 and 4.8 % smaller than by scale alone (two runs each), and 6.5 and
# 6.1 % without.
DEFAULT_RECIPE_TAIL = 4.0


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ScalingModel:
    """A Bayesian model of benchmark scores: families, recipes and features drive latent skills.

    Parameters
    ----------
    table : ScoreTable
        The scores and the LLMs. LLMs without a score are left out. Features that are unknown of an
        LLM are summed over, numbers and categories, given what is known of it and of its
        family (:mod:`latentscale.unknown`); ``fit.imputed()`` says what they may be.
    skills : int, default 3
        Number of latent skills K, 1 to 6.
    features : str, optional
        Wilkinson formula over columns of ``table.llms`` and what follows from them
        (``latentscale.derived.DERIVED``), with smooth effects, ``s(code_pct)``, and monotone ones,
        ``increasing(context_length)`` and ``decreasing(...)``; the intercept is implied. Default:
        ``"log(params_b) * log(tokens_t)"``, and ``+ release_date`` where the table has dates of all
        LLMs with scores.
    likelihood : str
        ``"student_t"`` or ``"normal"`` (both censored to [0, 1]), ``"beta"``, or, where the scores
        have ``successes`` and ``trials``, ``"binomial"`` and ``"beta_binomial"``. Default:
        ``"student_t"``, with which a broken evaluation pulls little.
    priors : mapping of str to Prior, optional
        Overrides of the default priors, by variable (``latentscale.priors.DEFAULTS``).
    anchors : sequence of str, optional
        One benchmark per skill, which loads on that skill only, by 1, and has nothing of its own:
        abilities are in its logits.
    link : {"asymmetric", "logistic"}, default "asymmetric"
        How scores rise with a logit between floor and ceiling: with an asymmetry learnt for each
        benchmark, or by the sigmoid.
    ceiling : bool, default True
        Learn the best attainable score of each benchmark.
    deviations : bool, default True
        Let families and recipes deviate from their skills on single benchmarks but anchors. (A
        table of one benchmark has its anchor alone.)
    benchmark_slopes : bool, default True
        Let each benchmark but anchors have slopes of its own in the columns that ``shrunk`` does
        not name, and in tuning, shrunk towards what its skills say.
    family_slopes : sequence of str, default ()
        Columns of the design (such as ``"log(params_b)"``) whose slopes differ between families.
    squares : sequence of str, optional
        Columns of the design that also enter squared: ability then bends along them. Default:
        ``("log(params_b)",)`` if the formula has it, else none.
    tuning_slopes : sequence of str, optional
        Columns of the design in which tuned LLMs have slopes of their own: what tuning brings then
        depends on them. Default: those of ``"log(params_b)"`` and ``"release_date"`` that the
        formula has, if an LLM is tuned, else none.
    shrunk : sequence of str, optional
        Columns of the design whose slopes are shrunk towards none together, by a regularised
        horseshoe: few of them matter, and nobody knows which. They move skills, and no benchmark
        beyond its skills. Default: all columns but those made of size, tokens, date and tuning.
        Steps of monotone terms always are.
    developers : bool, optional
        Let families of one developer be alike: a family's effect and deviations are then about
        those of its developer. Default: if the LLMs have the column ``developer``, and one of them
        has several families.
    recipe_tail : float or None, optional
        Degrees of freedom of the multivariate Student t that recipes' effects on skills are drawn
        from: most recipes hardly differ from their family, and a few differ a lot. None for a
        Normal. Default (``"auto"``): 4 where LLMs are tuned, else None.
    conditions : sequence of str, default ()
        Columns of the scores that say how they were evaluated, such as ``"chat_template"``:
        numbers, or true and false; unknown counts as zero. Each shifts the logits of every
        benchmark by its value times a shift, shrunk towards none: 0.1 to 1 a unit, so that a number
        of worked examples is better given in tens.

    Attributes
    ----------
    spec : ModelSpec
        The settings, with the anchors that were chosen.
    design : Design
        The rows of the table that are fitted.
    whole : ScalingModel or None
        The model that :meth:`with_table` made this one of, if both have the same benchmarks and
        features: fits start from an approximation of its posterior.

    Raises
    ------
    SpecError, FeatureError, PriorError
        The settings do not exist, or do not fit the table.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"]).select(families=["pythia"])
    >>> model = ls.ScalingModel(table, skills=1, features="log(params_b)")
    >>> model.spec.anchors
    ('HellaSwag',)
    """

    table: ScoreTable
    spec: ModelSpec
    priors: Mapping[str, Prior]
    design: Design
    whole: ScalingModel | None

    def __init__(
        self,
        table: ScoreTable,
        skills: int = DEFAULT_SKILLS,
        features: str | None = None,
        likelihood: str = DEFAULT_LIKELIHOOD,
        priors: Mapping[str, Prior] | None = None,
        *,
        anchors: Sequence[str] | None = None,
        link: str = DEFAULT_LINK,
        ceiling: bool = True,
        deviations: bool = True,
        benchmark_slopes: bool = True,
        family_slopes: Sequence[str] = (),
        squares: Sequence[str] | None = None,
        tuning_slopes: Sequence[str] | None = None,
        shrunk: Sequence[str] | None = None,
        developers: bool | None = None,
        recipe_tail: float | str | None = "auto",
        conditions: Sequence[str] = (),
    ) -> None:
        _require_table(table)
        features = _default_features(table) if features is None else features
        family_slopes, conditions = listed(family_slopes), listed(conditions)
        squares, tuning_slopes, shrunk, anchors = (
            None if given is None else listed(given)
            for given in (squares, tuning_slopes, shrunk, anchors)
        )
        design = make_design(
            table,
            features,
            squares=squares,
            tuning_slopes=tuning_slopes,
            shrunk=shrunk,
            developers=developers,
            conditions=conditions,
        )
        # The only benchmark is an anchor, and anchors have nothing of their own.
        alone = len(design.benchmarks) == 1
        # Whatever else was given, the settings check it.
        tail: Any = _default_tail(design) if recipe_tail == "auto" else recipe_tail
        asked = ModelSpec(
            skills=skills,
            anchors=(),
            features=features,
            likelihood=likelihood,
            link=link,
            ceiling=ceiling,
            deviations=deviations and not alone,
            benchmark_slopes=benchmark_slopes and not alone,
            family_slopes=family_slopes,
            squares=design.encoding.squares.columns,
            tuning_slopes=design.encoding.tuning_slopes,
            shrunk=design.shrunk,
            developers=bool(design.developers),
            recipe_tail=tail,
            conditions=design.conditions,
        )
        slope_columns(design.encoding, asked.family_slopes)
        _require_counts(asked, design)
        counts = design.scores["benchmark"].value_counts()
        chosen = choose_anchors(
            anchors, skills, design.benchmarks, [int(counts[name]) for name in design.benchmarks]
        )
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "spec", asked.with_anchors(chosen))
        object.__setattr__(self, "priors", merge_priors(priors, len(design.shrinkage.terms)))
        object.__setattr__(self, "design", design)
        object.__setattr__(self, "whole", None)

    def with_table(self, table: ScoreTable) -> ScalingModel:
        """Give the same model of another table: the same settings, priors and anchors.

        A part of this model's table (fewer scores, LLMs or families) is fitted faster: it starts
        from an approximation of the posterior of the whole.

        Parameters
        ----------
        table : ScoreTable

        Returns
        -------
        ScalingModel

        Examples
        --------
        >>> import latentscale as ls
        >>> table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"])
        >>> model = ls.ScalingModel(table, skills=1, features="log(params_b)")
        >>> model.with_table(table.select(families=["pythia", "llama"])).design.families
        ('llama', 'pythia')
        """
        # The other table may lack a category, or have more of them.
        settings = asdict(self.spec) | {"shrunk": None}
        other = ScalingModel(table, **settings, priors=self.priors)
        if set(self.spec.shrunk) != set(usually_shrunk(self.design.encoding)):
            has = set(other.design.encoding.names)
            settings["shrunk"] = [name for name in self.spec.shrunk if name in has]
            other = ScalingModel(table, **settings, priors=self.priors)
        whole = self.whole or self
        if _same_parameters(other, whole):
            object.__setattr__(other, "whole", whole)
        return other

    def to_pymc(self) -> pm.Model:
        """Build the PyMC model, to look at or to sample by hand.

        Returns
        -------
        pymc.Model
            A new one at each call.
        """
        from latentscale.graph import build_graph

        return build_graph(self.design, self.spec, self.priors)

    def fit(
        self,
        draws: int = 1000,
        tune: int | None = None,
        chains: int = 4,
        random_seed: int | None = None,
        progressbar: bool = True,
        *,
        sampler: str = "nutpie",
        cores: int | None = None,
        target_accept: float = 0.8,
    ) -> ScalingFit:
        """Draw from the joint posterior by NUTS.

        Parameters
        ----------
        draws : int, default 1000
            Kept draws of each chain.
        tune : int, optional
            Tuning draws of each chain. Default: 300 with nutpie, whose chains start from an
            approximation of the posterior and are scaled by it; 1000 with the others.
        chains : int, default 4
        random_seed : int, optional
            The same seed gives the same draws.
        progressbar : bool, default True
        sampler : {"nutpie", "pymc", "numpyro", "blackjax"}, default "nutpie"
        cores : int, optional
            Chains to run at once; default: as many as there are cores.
        target_accept : float, default 0.8
            The acceptance rate that step sizes are tuned to.

        Returns
        -------
        ScalingFit

        Raises
        ------
        SamplingError
            The sampler is unknown, not installed, or could not start.
        KeyboardInterrupt
            It was interrupted before a draw was kept.

        Warns
        -----
        InterruptedWarning
            It was interrupted: the fit holds the draws that there were.
        ConvergenceWarning
            The chains do not support the posterior; the message says what to do.
        """
        fit = self._drawn(
            sampler=sampler,
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            target_accept=target_accept,
            random_seed=random_seed,
            progressbar=progressbar,
        )
        kept = _chains_and_draws(fit)
        if kept != (chains, draws):
            warnings.warn(
                f"Sampling was interrupted: the fit holds {chains_of(*kept)}, not "
                f"{chains_of(chains, draws)}. Fit again for all of them.",
                InterruptedWarning,
                stacklevel=2,
            )
        health = fit.diagnose()
        if not health.ok:
            warnings.warn(health.text, ConvergenceWarning, stacklevel=2)
        return fit

    def predictable(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Keep the LLMs of which anything that the formula needs is known; the rest is drawn.

        Parameters
        ----------
        llms : pandas.DataFrame

        Returns
        -------
        pandas.DataFrame
            A category that no LLM of the table has is unknown: nothing is learnt about it.
        """
        encoding = self.design.encoding
        llms = encoding.known_categories(llms)
        columns = [name for name in encoding.columns if name in llms]
        return llms[llms[columns].notna().any(axis=1)].reset_index(drop=True)

    def refit(
        self,
        random_seed: int | None = None,
        *,
        draws: int = 300,
        tune: int = 100,
        chains: int = 2,
        target_accept: float = 0.8,
    ) -> ScalingFit:
        """Draw from the posterior on one core and without a word, for many fits side by side.

        A model that :meth:`with_table` made of another starts from an approximation of that one's
        posterior. This changes how soon chains arrive, not where. Nothing is diagnosed:
        ``fit.diagnose()`` does it.

        Parameters
        ----------
        random_seed : int, optional
        draws, tune, chains : int
            Fewer than :meth:`fit` takes: enough for predictions, whose chains mix far better than
            the slowest parameter's.
        target_accept : float, default 0.8

        Returns
        -------
        ScalingFit

        Raises
        ------
        SamplingError
            The sampler could not start.
        KeyboardInterrupt
            It was interrupted: fewer draws than asked for would pass for all of them.
        """
        fit = self._drawn(
            sampler="nutpie",
            draws=draws,
            tune=tune,
            chains=chains,
            cores=1,
            target_accept=target_accept,
            random_seed=random_seed,
            progressbar=False,
        )
        if _chains_and_draws(fit) != (chains, draws):
            raise KeyboardInterrupt
        return fit

    def _drawn(self, **settings: Any) -> ScalingFit:
        """Draw from the posterior, with the settings of :func:`draw_posterior`."""
        from latentscale.fit import ScalingFit
        from latentscale.sampling import draw_posterior

        tree = draw_posterior(self, **settings)
        origin = {"sampler": settings["sampler"], "seed": settings["random_seed"]}
        return ScalingFit.from_draws(self, tree, origin)

    def prior_predictive(self, draws: int = 500, random_seed: int | None = None) -> xr.DataTree:
        """Draw parameters and scores from the prior, to see what the priors imply.

        Parameters
        ----------
        draws : int, default 500
        random_seed : int, optional

        Returns
        -------
        xarray.DataTree
            With the groups ``prior``, ``prior_predictive`` (``score``, dims chain, draw, obs; with
            the coords ``llm``, ``benchmark`` and ``family`` on ``obs``) and ``observed_data``.
        """
        from latentscale.sampling import prior_tree

        return prior_tree(self, draws, random_seed)

    def __repr__(self) -> str:
        """Describe the model: equations, symbols, priors and counts."""
        from latentscale.describe import model_text

        return model_text(self)

    def _repr_html_(self) -> str:
        from latentscale.describe import model_html

        return model_html(self)


def _chains_and_draws(fit: ScalingFit) -> tuple[int, int]:
    sizes = fit.posterior.sizes
    return sizes["chain"], sizes["draw"]


def _default_tail(design: Design) -> float | None:
    return DEFAULT_RECIPE_TAIL if design.tuned.any() else None


def _default_features(table: ScoreTable) -> str:
    """Size, tokens and their product, and the release date if it is known and differs."""
    scored = scored_llms(table)
    # All that changes in how LLMs are trained goes with the date.
    dated = DATE in scored and is_datetime64_any_dtype(scored[DATE])
    if dated and scored[DATE].notna().all() and scored[DATE].nunique() > 1:
        return f"{DEFAULT_FEATURES} + {DATE}"
    return DEFAULT_FEATURES


def _same_parameters(model: ScalingModel, other: ScalingModel) -> bool:
    """Whether two models with the same settings have the same parameters beside the groups'."""
    one, two = model.design, other.design
    return one.benchmarks == two.benchmarks and one.encoding.names == two.encoding.names


def _require_table(table: ScoreTable) -> None:
    if not isinstance(table, ScoreTable):
        raise SpecError(
            f"A model takes a ScoreTable, not a {type(table).__name__}. Make one with\n"
            "      table = ls.ScoreTable.from_long(scores, llms)\n"
            '      table = ls.ScoreTable.from_wide(frame, benchmarks=["MMLU", "GSM8K"])'
        )


def _require_counts(spec: ModelSpec, design: Design) -> None:
    """Check that a likelihood of counts has successes and trials in every row."""
    if not likelihood_of(spec.likelihood).uses_counts:
        return
    absent = [name for name in ("successes", "trials") if name not in design.scores]
    if absent or design.scores[["successes", "trials"]].isna().any(axis=None):
        raise SpecError(
            f"likelihood={spec.likelihood!r} needs the columns 'successes' and 'trials' in every "
            f"row of the scores; {first(quoted(absent)) or 'some rows'} lack them. Add them, or "
            'use likelihood="student_t".'
        )
