"""Who LLMs to predict are to the fit: their groups, features, and how they are evaluated."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.design import Design, slope_columns
from latentscale.errors import (
    ExtrapolationWarning,
    MissingFeatureWarning,
    PredictionError,
    PredictionWarning,
)
from latentscale.evaluated import condition_of_llms, require_counts
from latentscale.forward import Draws, Members, add_groups, read_draws
from latentscale.spec import ModelSpec
from latentscale.table import ScoreTable, developer_or_own, table_of_new_llms
from latentscale.table.checks_llms import recipe_or_family
from latentscale.table.plain import folded
from latentscale.unknown import asked_features, unknown_of
from latentscale.wording import count, first, quoted

if TYPE_CHECKING:
    from latentscale.model import ScalingModel

# How far outside the fitted range, in standard deviations over the fitted LLMs, is worth a warning.
_FAR = 0.1


def read_asked(model: ScalingModel, llms: pd.DataFrame, scores: pd.DataFrame | None) -> ScoreTable:
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
    if not {"recipe", "family"} & {*filled}:
        return
    recipe = recipe_or_family(filled) if "family" in filled else filled["recipe"]
    value = _tuned_by_recipe(recipe.astype(str), fitted)
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


def placed(
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


def warn_extrapolation(design: Design, llms: pd.DataFrame, members: Members) -> None:
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
