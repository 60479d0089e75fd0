"""Features by name that follow from others: ratios of an architecture, and what training took.

A formula may name them as if they were columns. A column of that name that the LLMs' frame has goes
before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from latentscale.errors import FeatureError
from latentscale.table.plain import to_number
from latentscale.wording import first, quoted

# Activations whose feed-forward layers have a third matrix, the gate; in any case of letters.
GATED = ("swiglu", "geglu", "reglu", "glu")


@dataclass(frozen=True)
class Derived:
    """A feature that follows from others.

    Attributes
    ----------
    inputs : tuple of str
        The columns that it follows from.
    what : str
        What it is, with its unit.
    compute : callable
        From a frame with the inputs to the values.
    of_experts : tuple of str
        More columns to look at, where the frame has them: only mixtures of experts do.
    """

    inputs: tuple[str, ...]
    what: str
    compute: Callable[[pd.DataFrame], pd.Series]
    of_experts: tuple[str, ...] = ()


EXPERTS, ACTIVE = "experts_per_token", "active_params_b"
# The only input that holds no numbers.
_TEXT = "activation"


def _number_or(llms: pd.DataFrame, column: str, otherwise: float | pd.Series) -> pd.Series:
    """Give a column of numbers that not all LLMs have, or that the frame lacks."""
    return to_number(llms.get(column, pd.Series(np.nan, index=llms.index))).fillna(otherwise)


def _width(llms: pd.DataFrame) -> pd.Series:
    """Feed-forward width that a token goes through: in a mixture, of its experts together."""
    return llms["d_ff"] * _number_or(llms, EXPERTS, 1.0)


def _mlp_attention_ratio(llms: pd.DataFrame) -> pd.Series:
    """Parameters of feed-forward layers over those of attention, layer by layer.

    Queries and outputs have as many columns as heads together, keys and values as the key-value
    heads; a gated feed-forward layer has three matrices, another two.
    """
    matrices = 2 + llms["activation"].astype(str).str.casefold().isin(GATED).astype(float)
    of_attention = 2 * llms["head_dim"] * (llms["n_heads"] + llms["n_kv_heads"])
    return matrices.where(llms["activation"].notna()) * _width(llms) / of_attention


DERIVED: Mapping[str, Derived] = {
    "aspect_ratio": Derived(
        ("d_model", "n_layers"), "width over depth", lambda x: x["d_model"] / x["n_layers"]
    ),
    "mlp_ratio": Derived(
        ("d_ff", "d_model"),
        "feed-forward width over width; in a mixture of experts, of those a token goes through",
        lambda x: _width(x) / x["d_model"],
        (EXPERTS,),
    ),
    "mlp_attention_ratio": Derived(
        ("d_ff", "activation", "head_dim", "n_heads", "n_kv_heads"),
        "parameters of feed-forward layers over those of attention; a feed-forward layer has three "
        f"matrices with the activations {', '.join(GATED)}, else two; in a mixture of experts, of "
        "those a token goes through",
        _mlp_attention_ratio,
        (EXPERTS,),
    ),
    "kv_head_ratio": Derived(
        ("n_kv_heads", "n_heads"),
        "key-value heads over heads; 1 without grouping",
        lambda x: x["n_kv_heads"] / x["n_heads"],
    ),
    "tokens_per_parameter": Derived(
        ("tokens_t", "params_b"),
        "training tokens over parameters",
        lambda x: 1e3 * x["tokens_t"] / x["params_b"],
    ),
    "compute": Derived(
        ("params_b", "tokens_t"),
        "training compute in 1e21 FLOP, 6 times parameters times tokens; in a mixture of experts, "
        "of the parameters a token goes through",
        lambda x: 6 * _number_or(x, ACTIVE, x["params_b"]) * x["tokens_t"],
        (ACTIVE,),
    ),
}


def names_in(variables: Iterable[str], columns: Collection[str]) -> tuple[str, ...]:
    """Name the variables of a formula that are derived, because no column has that name."""
    return tuple(name for name in variables if name in DERIVED and name not in columns)


def inputs_of(names: Iterable[str]) -> set[str]:
    """Name the columns that derived features follow from."""
    return {column for name in names for column in DERIVED[name].inputs}


def of_experts(names: Iterable[str]) -> list[str]:
    """Name the columns that derived features look at where a frame has them."""
    return sorted({column for name in names for column in DERIVED[name].of_experts})


def with_derived(llms: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Add derived features to a frame that has their inputs.

    Parameters
    ----------
    llms : pandas.DataFrame
        Mixtures of experts are those with ``experts_per_token`` and ``active_params_b``.
    names : sequence of str
        Keys of :data:`DERIVED`.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    FeatureError
        A column that must hold numbers holds text.

    Examples
    --------
    >>> llms = pd.DataFrame({"d_ff": [11008.0, 14336.0], "d_model": [4096.0, 4096.0]})
    >>> with_derived(llms, ["mlp_ratio"])["mlp_ratio"].tolist()
    [2.6875, 3.5]
    """
    numbers = {name: _numbers(llms[name], name) for name in sorted(inputs_of(names) - {_TEXT})}
    whole = llms.assign(**numbers)
    return llms.assign(**{name: DERIVED[name].compute(whole) for name in names})


def _numbers(column: pd.Series, name: str) -> pd.Series:
    found = to_number(column)
    strange = column[found.isna() & column.notna()]
    if len(strange):
        raise FeatureError(
            f"The column {name!r} must hold numbers, as features follow from it, and holds "
            f"{first(quoted(map(str, strange.unique())))}. Correct it, or leave it empty where it "
            "is unknown."
        )
    return found
