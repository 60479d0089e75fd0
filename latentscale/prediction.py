"""Predicting LLMs: who they are to the fit, what they will score, and how sure that is."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from latentscale.conditioning import KnownCells, condition, log_evidence
from latentscale.design import Design, developer_or_own, slope_columns
from latentscale.errors import (
    ExtrapolationWarning,
    MissingFeatureWarning,
    PredictionError,
    PredictionWarning,
)
from latentscale.estimates import require_probability, tails
from latentscale.evaluated import (
    condition_of_llms,
    positions_of,
    require_conditions,
    require_counts,
    trials_of,
    with_conditions,
)
from latentscale.forward import (
    Draws,
    Members,
    add_groups,
    expected_of_cells,
    fitted_members,
    read_draws,
    scatter_of,
    with_features,
)
from latentscale.likelihoods import likelihood_of
from latentscale.spec import ModelSpec
from latentscale.table import ScoreTable
from latentscale.table.new_llms import table_of_new_llms
from latentscale.table.plain import folded
from latentscale.unknown import asked_features, unknown_of
from latentscale.wording import count, first, quoted, with_nearest

if TYPE_CHECKING:
    from latentscale.model import ScalingModel

# How far outside the fitted range, in standard deviations over the fitted LLMs, is worth a warning.
_FAR = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """What LLMs are predicted to score.

    Attributes
    ----------
    summary : pandas.DataFrame
        One row for each LLM and benchmark: ``llm``, ``benchmark``, ``mean`` and ``sd`` of a new
        score, the bounds of its equal-tailed interval (``eti90_lb``, ``eti90_ub`` at
        ``ci_prob=0.9``), ``family_status`` (``fitted``, ``new recipe`` or ``new family``), and
        ``known``, the score that was conditioned on, if any.
    draws : xarray.Dataset
        ``expected`` (the expected score) and ``score`` (a new score), dims (chain, draw, obs), or
        (sample, obs) where known scores were conditioned on; joint across ``obs``. The coords
        ``llm``, ``benchmark`` and ``family_status`` label ``obs``.
    ci_prob : float
        The probability of the interval.
    """

    summary: pd.DataFrame
    draws: xr.Dataset
    ci_prob: float

    def __repr__(self) -> str:
        """Say what is predicted, and show the first rows."""
        llms = count(self.summary["llm"].nunique(), "LLM")
        benchmarks = count(self.summary["benchmark"].nunique(), "benchmark")
        table = self.summary.head(12).to_string(index=False, float_format=lambda x: f"{x:.3f}")
        rest = len(self.summary) - 12
        tail = f"\n... and {rest} more rows in .summary" if rest > 0 else ""
        return f"Prediction of {llms} on {benchmarks}\n{table}{tail}"


def predict(
    model: ScalingModel,
    posterior: xr.Dataset,
    llms: pd.DataFrame,
    scores: pd.DataFrame | None,
    ci_prob: float,
    random_seed: int | None,
    benchmarks: Sequence[str] | None,
    conditions: pd.DataFrame | None = None,
) -> Prediction:
    """Predict LLMs from a posterior; :meth:`latentscale.ScalingFit.predict` documents it."""
    require_probability(ci_prob)
    design, spec = model.design, model.spec
    asked = _read(model, llms, scores)
    shown = _benchmark_positions(design, benchmarks)
    rng = np.random.default_rng(random_seed)
    members, status, draws = _placed(design, spec, posterior, asked.llms, rng)
    _warn_extrapolation(design, asked.llms, members)
    likelihood = likelihood_of(spec.likelihood)
    if conditions is not None:
        require_conditions(model, asked.llms, conditions)
        members = with_conditions(design, members, asked.llms, conditions)
    if asked.n_obs:
        known = _known_cells(design, asked)
        members = with_conditions(design, members, asked.llms, asked.scores)
        families = asked.llms["family"].tolist()
        draws = condition(draws, members, known, families, likelihood, rng)
    llm, benchmark = np.indices((len(members), len(shown))).reshape(2, -1)
    expected = expected_of_cells(draws, members, llm, shown[benchmark])
    trials = trials_of(model, asked.llms, conditions)
    items = None if trials is None else trials[llm, shown[benchmark]]
    score = likelihood.draw(rng, expected, scatter_of(draws, shown[benchmark]), items)
    names = [design.benchmarks[position] for position in shown]
    dataset = prediction_draws(asked.llms, names, status, expected, score)
    if not asked.n_obs:
        dataset = _by_chain(dataset, (posterior.sizes["chain"], posterior.sizes["draw"]))
    return Prediction(summarise_prediction(dataset, asked.scores, ci_prob), dataset, ci_prob)


def joint_log_density(
    model: ScalingModel,
    posterior: xr.Dataset,
    llms: pd.DataFrame,
    scores: pd.DataFrame,
    random_seed: int | None,
) -> pd.DataFrame:
    """Judge scores by their joint density; :meth:`latentscale.ScalingFit.log_density` documents it.

    The mean over draws has the error of a mean, and its logarithm that error over the mean.
    """
    design, spec = model.design, model.spec
    asked = _read(model, llms, scores)
    if not asked.n_obs:
        raise PredictionError("There is no score whose density could be asked for. Give scores=.")
    rng = np.random.default_rng(random_seed)
    members, _, draws = _placed(design, spec, posterior, asked.llms, rng)
    known = _known_cells(design, asked)
    members = with_conditions(design, members, asked.llms, asked.scores)
    by_family = log_evidence(draws, members, known, likelihood_of(spec.likelihood), rng)
    family_of = members.family[known.llm]
    rows = []
    for position, log_density in by_family.items():
        relative = np.exp(log_density - log_density.max())
        rows.append(
            {
                "family": asked.llms["family"].to_numpy()[members.family == position][0],
                "n": int((family_of == position).sum()),
                "log_density": float(logsumexp(log_density) - np.log(len(log_density))),
                "mcse": float(relative.std(ddof=1) / relative.mean() / len(relative) ** 0.5),
            }
        )
    return pd.DataFrame(rows)


def replicate(
    model: ScalingModel, posterior: xr.Dataset, level: str | None, random_seed: int | None
) -> np.ndarray:
    """Draw replicates of the observed cells, dims (chain, draw, obs).

    ``level="score"`` keeps all effects, ``"llm"`` draws new LLM effects, ``"recipe"`` also new
    recipe effects and deviations, ``"family"`` also those of families, ``"developer"`` all.
    """
    levels = model.spec.levels
    level = level or levels[-1]
    if level not in levels:
        raise PredictionError(
            f"level={first(with_nearest([str(level)], levels))} is not known. Use one of "
            f"{first(quoted(levels), 5)}: the highest level whose effects are drawn anew."
        )
    design = model.design
    fitted = fitted_members(design, model.spec)
    anew = {
        kind: getattr(fitted, kind) + getattr(fitted, kind).max() + 1
        for kind in levels[1 : levels.index(level) + 1]
    }
    members = dataclasses.replace(fitted, **anew)
    rng = np.random.default_rng(random_seed)
    draws = with_features(read_draws(posterior), design)
    draws = add_groups(draws, members, rng, model.spec.recipe_tail)
    expected = expected_of_cells(draws, members, design.llm_of_obs, design.benchmark_of_obs)
    scatter = scatter_of(draws, design.benchmark_of_obs)
    likelihood = likelihood_of(model.spec.likelihood)
    trials = design.scores["trials"].to_numpy() if likelihood.uses_counts else None
    score = likelihood.draw(rng, expected, scatter, trials)
    return score.reshape(posterior.sizes["chain"], posterior.sizes["draw"], -1)


def _read(model: ScalingModel, llms: pd.DataFrame, scores: pd.DataFrame | None) -> ScoreTable:
    """Check the LLMs and their known scores; fill in what the fitted table knows of them."""
    design, table = model.design, model.table
    # The table may have LLMs without scores, of categories that nothing was learnt about.
    filled = filled_from(llms, design.encoding.known_categories(table.llms))
    asked = table_of_new_llms(filled, scores, table.benchmarks, missing="keep")
    outside = sorted(set(asked.scores["benchmark"]) - set(design.benchmarks))
    if outside:
        raise PredictionError(
            f"Known scores are given on {first(quoted(outside))}, which the fit has no scores of, "
            f"so they say nothing. Leave them out; the fitted benchmarks are "
            f"{first(quoted(design.benchmarks), 20)}."
        )
    _require_unseen_cells(design, asked.scores)
    require_counts(model, asked.scores)
    return asked


def filled_from(llms: pd.DataFrame, fitted: pd.DataFrame) -> pd.DataFrame:
    """Fill in family, recipe and features of fitted LLMs that are asked for by name alone."""
    if not isinstance(llms, pd.DataFrame) or "llm" not in llms:
        return llms
    known = fitted.set_index("llm")
    names = llms["llm"].astype(str)
    # Only some categories can be written into a column of categories.
    is_category = llms.dtypes == "category"
    filled = llms.astype(dict.fromkeys(llms.columns[is_category], object))
    for column in known.columns:
        value = names.map(known[column])
        if column not in filled:
            if value.notna().any():
                filled[column] = value
        elif value.notna().any():
            filled[column] = filled[column].where(filled[column].notna(), value)
    _fill_tuned(filled, fitted)
    # What new LLMs beside fitted ones have by default; a column of the user's own stays as it is.
    if "tuned" in filled and "tuned" not in llms:
        filled["tuned"] = filled["tuned"].fillna(0)
    if "recipe" in filled and "recipe" not in llms and "family" in filled:
        filled["recipe"] = filled["recipe"].fillna(filled["family"])
    return filled


def _fill_tuned(filled: pd.DataFrame, fitted: pd.DataFrame) -> None:
    """Take from a fitted recipe whether it is tuned, where nothing is said of it."""
    if "recipe" not in filled:
        return
    value = _tuned_by_recipe(filled["recipe"].astype(str), fitted)
    if "tuned" in filled:
        value = filled["tuned"].where(filled["tuned"].notna(), value)
    if value.notna().any():
        filled["tuned"] = value


def _tuned_by_recipe(recipe: pd.Series, fitted: pd.DataFrame) -> pd.Series:
    """Say whether recipes were fitted as tuned; NaN for new ones."""
    return recipe.map(fitted.drop_duplicates("recipe").set_index("recipe")["tuned"])


def _require_unseen_cells(design: Design, scores: pd.DataFrame) -> None:
    fitted = design.scores[["llm", "benchmark"]]
    both = scores.merge(fitted, on=["llm", "benchmark"])
    if len(both):
        cells = [f"{llm!r} on {name!r}" for llm, name in both[["llm", "benchmark"]].to_numpy()]
        raise PredictionError(
            f"{count(len(both), 'known score')} already in the fit: {first(cells)}. Using them a "
            "second time would make the prediction too sure. Leave them out of scores=."
        )


def _benchmark_positions(design: Design, benchmarks: Sequence[str] | None) -> np.ndarray:
    if benchmarks is None:
        return np.arange(len(design.benchmarks))
    names = [benchmarks] if isinstance(benchmarks, str) else list(benchmarks)
    unknown = [name for name in names if name not in design.benchmarks]
    if unknown:
        raise PredictionError(
            f"benchmarks names {first(with_nearest(unknown, design.benchmarks))}, which the fit "
            f"has no scores of. It can predict {first(quoted(design.benchmarks), 20)}."
        )
    return np.array([design.benchmarks.index(name) for name in names])


def _placed(
    design: Design,
    spec: ModelSpec,
    posterior: xr.Dataset,
    llms: pd.DataFrame,
    rng: np.random.Generator,
) -> tuple[Members, list[str], Draws]:
    """Find out who LLMs are to the fit, and draw what is not known of them."""
    # By default a model has dates wherever its table has them, whether asked to or not; and of a
    # fitted LLM, what is unknown is fitted.
    unknown = unknown_of(design.encoding, llms).drop(columns=[*design.encoding.dates])
    _warn_unknown(llms, unknown.where(~llms["llm"].isin(design.llms["llm"]), False))
    typical, draws = asked_features(design, llms, read_draws(posterior), rng)
    columns = slope_columns(design.encoding, spec.family_slopes)
    members, status = _members(design, llms, typical, columns)
    return members, status, add_groups(draws, members, rng, spec.recipe_tail)


def _warn_unknown(llms: pd.DataFrame, unknown: pd.DataFrame) -> None:
    lacking = unknown.any(axis=1).to_numpy()
    names = [str(name) for name in unknown if unknown[name].any()]
    if not names:
        return
    warnings.warn(
        f"{first(quoted(names))} is unknown for {count(int(lacking.sum()), 'LLM')} to predict: "
        f"{first(quoted(llms['llm'][lacking]))}. It is drawn from what fitted LLMs have: those of "
        "the family, or of a new family those alike in what is known. Fill it in for narrower "
        "intervals.",
        MissingFeatureWarning,
        stacklevel=5,
    )


def _members(
    design: Design, llms: pd.DataFrame, x: np.ndarray, slope_columns: np.ndarray
) -> tuple[Members, list[str]]:
    """Find each LLM's groups; new ones stand behind the fitted ones."""
    fitted_llms = design.llms.set_index("llm")
    _require_same_groups(fitted_llms, llms)
    family, recipe, llm = (
        _positions(llms[name], fitted)
        for name, fitted in (
            ("family", design.families),
            ("recipe", design.recipes),
            ("llm", tuple(fitted_llms.index)),
        )
    )
    _require_recipe_in_family(design, llms, family, recipe)
    _require_recipe_as_tuned(design, llms)
    developer = _developers(design, llms, family)
    new_family, new_recipe = family >= len(design.families), recipe >= len(design.recipes)
    status = np.where(new_family, "new family", np.where(new_recipe, "new recipe", "fitted"))
    tuned = llms["tuned"].to_numpy(dtype=float)
    members = Members(
        x,
        slope_columns,
        tuned,
        developer,
        family,
        recipe,
        llm,
        condition_of_llms(design, llms, llm),
    )
    return members, status.tolist()


def _developers(design: Design, llms: pd.DataFrame, family: np.ndarray) -> np.ndarray:
    """Find each LLM's developer: the one that its family was fitted with, or a new family's."""
    is_new = family >= len(design.families)
    fitted = design.developer_of_family[np.where(is_new, 0, family)]
    if not design.developers:
        return fitted
    asked = developer_or_own(llms)
    names = np.array(design.developers, dtype=object)[fitted]
    unknown = names == developer_or_own(llms[["family"]]).to_numpy()
    named = "developer" in llms and llms["developer"].notna().to_numpy()
    moved = ~is_new & named & ~unknown & (asked.to_numpy() != names)
    if np.any(moved):
        raise PredictionError(
            f"{count(int(moved.sum()), 'LLM')} given with another developer than the family was "
            f"fitted with: {first(quoted(llms['llm'][moved]))}. A family has one developer. Leave "
            "the column out for fitted families, or give the family another name."
        )
    _warn_lookalikes(design, asked[is_new])
    return _positions(asked.where(is_new, names), design.developers)


def _warn_lookalikes(design: Design, asked: pd.Series) -> None:
    """Say which new developers are spelt almost like a fitted one."""
    plain = {folded(name): name for name in design.developers}
    alike = {
        name: plain[key]
        for name in asked.unique()
        if name not in design.developers and (key := folded(name)) in plain
    }
    if alike:
        pairs = [f"{name!r} (fitted: {fitted!r})" for name, fitted in alike.items()]
        warnings.warn(
            f"{count(len(alike), 'developer')} of LLMs to predict spelt unlike a fitted one by "
            f"case or blanks only: {first(pairs)}. They count as unknown, and nothing is learnt "
            "from the fitted ones' families. Write them as in the fit if they are meant.",
            PredictionWarning,
            stacklevel=7,
        )


def _positions(labels: pd.Series, fitted: Sequence[str]) -> np.ndarray:
    known = pd.Index(fitted)
    new = pd.Index(labels[~labels.isin(known)].unique())
    positions: np.ndarray = known.append(new).get_indexer(pd.Index(labels))
    return positions


def _require_same_groups(fitted: pd.DataFrame, llms: pd.DataFrame) -> None:
    """Check that a fitted LLM keeps the groups that it was fitted with."""
    old = llms[llms["llm"].isin(fitted.index)]
    for column in ("family", "recipe", "tuned"):
        moved = old[column].to_numpy() != fitted.loc[old["llm"], column].to_numpy()
        if moved.any():
            raise PredictionError(
                f"{count(int(moved.sum()), 'LLM')} of the fit given with another {column} than it "
                f"was fitted with: {first(quoted(old['llm'][moved]))}. A fitted LLM is predicted "
                f"with its own effects. Give it its fitted {column}, leave that column out, or "
                "give the LLM another name."
            )


def _require_recipe_in_family(
    design: Design, llms: pd.DataFrame, family: np.ndarray, recipe: np.ndarray
) -> None:
    home = dict(zip(design.recipe_of_llm.tolist(), design.family_of_llm.tolist(), strict=True))
    astray = np.array(
        [int(r) in home and home[int(r)] != f for f, r in zip(family, recipe, strict=True)]
    )
    if astray.any():
        raise PredictionError(
            f"The recipe {first(quoted(llms['recipe'][astray].unique()))} was fitted in another "
            f"family than the one given for {first(quoted(llms['llm'][astray]))}. A recipe belongs "
            "to one family. Give the recipe another name, or correct the family."
        )


def _require_recipe_as_tuned(design: Design, llms: pd.DataFrame) -> None:
    fitted = _tuned_by_recipe(llms["recipe"], design.llms)
    other = fitted.notna() & (fitted != llms["tuned"])
    if other.any():
        kind = "tuned" if fitted[other].iloc[0] == 1 else "not tuned"
        raise PredictionError(
            f"The recipe {first(quoted(llms['recipe'][other].unique()))} was fitted as {kind}, and "
            f"{first(quoted(llms['llm'][other]))} is given otherwise. Leave the column 'tuned' out "
            "for fitted recipes, or give the recipe another name."
        )


def _warn_extrapolation(design: Design, llms: pd.DataFrame, members: Members) -> None:
    """Name LLMs whose features lie outside the fitted range, and by how much."""
    encoding = design.encoding
    beyond = np.maximum(members.x - encoding.highest, encoding.lowest - members.x)
    beyond[:, encoding.is_product] = 0
    far = [
        f"{llms['llm'].iloc[i]!r} by {beyond[i, p]:.1f} standard deviations in {encoding.names[p]}"
        for i, p in zip(*np.nonzero(beyond > _FAR), strict=True)
    ]
    if far:
        warnings.warn(
            f"Outside the range of the fitted LLMs: {first(far)}. There the prediction rests on "
            "the form of the model, and its intervals may be too narrow.",
            ExtrapolationWarning,
            stacklevel=4,
        )


def _known_cells(design: Design, asked: ScoreTable) -> KnownCells:
    return KnownCells(asked.scores, *positions_of(design, asked.llms, asked.scores))


def prediction_draws(
    llms: pd.DataFrame,
    benchmarks: Sequence[str],
    status: Sequence[str] | np.ndarray,
    expected: np.ndarray,
    score: np.ndarray,
) -> xr.Dataset:
    """Lay the draws out long: every LLM on every benchmark, dims (sample, obs)."""
    n_benchmarks = len(benchmarks)
    labels = {
        "llm": np.repeat(llms["llm"].to_numpy(dtype=str), n_benchmarks),
        "family": np.repeat(llms["family"].to_numpy(dtype=str), n_benchmarks),
        "benchmark": np.tile(np.array(benchmarks, dtype=str), len(llms)),
        "family_status": np.repeat(np.array(status), n_benchmarks),
    }
    variables = {
        name: (("sample", "obs"), values)
        for name, values in (("expected", expected), ("score", score))
    }
    coords = {name: ("obs", values) for name, values in labels.items()}
    return xr.Dataset(variables, coords={"obs": np.arange(expected.shape[1]), **coords})


def _by_chain(dataset: xr.Dataset, sizes: tuple[int, int]) -> xr.Dataset:
    """Give draws that were not resampled their chains back."""
    index = pd.MultiIndex.from_product([range(sizes[0]), range(sizes[1])], names=["chain", "draw"])
    coords = xr.Coordinates.from_pandas_multiindex(index, "sample")
    return dataset.assign_coords(coords).unstack("sample").transpose("chain", "draw", "obs")


def summarise_prediction(dataset: xr.Dataset, known: pd.DataFrame, ci_prob: float) -> pd.DataFrame:
    """Give the ``summary`` of a :class:`Prediction` from its draws and the known scores."""
    require_probability(ci_prob)
    score = dataset["score"]
    dims = [dim for dim in score.dims if dim != "obs"]
    bounds = score.quantile(tails(ci_prob), dim=dims)
    percent = f"{100 * ci_prob:g}"
    summary = pd.DataFrame(
        {
            "llm": dataset["llm"].to_numpy(),
            "benchmark": dataset["benchmark"].to_numpy(),
            "mean": score.mean(dims).to_numpy(),
            "sd": score.std(dims).to_numpy(),
            f"eti{percent}_lb": bounds[0].to_numpy(),
            f"eti{percent}_ub": bounds[1].to_numpy(),
            "family_status": dataset["family_status"].to_numpy(),
        }
    )
    known = known[["llm", "benchmark", "score"]].rename(columns={"score": "known"})
    known["known"] = known["known"].astype(float)
    known = known.astype({"llm": object, "benchmark": object})
    return summary.merge(known, on=["llm", "benchmark"], how="left")
