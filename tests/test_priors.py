"""Priors: their names, how the user's replace the defaults, and what they claim in words."""

from __future__ import annotations

import numpy as np
import pytest

import latentscale as ls
from latentscale.errors import PriorError
from latentscale.priors import (
    DEFAULTS,
    POSITIVE,
    REAL,
    UNIT,
    Prior,
    expected_relevance,
    merge_priors,
)
from latentscale.story import scipy_of


def message_of(action, *args, **kwargs):
    with pytest.raises(PriorError) as caught:
        action(*args, **kwargs)
    return str(caught.value)


def test_the_variables_with_a_prior_and_the_defaults():
    assert {name: repr(default.prior) for name, default in DEFAULTS.items()} == {
        "feature_slope": "Normal(mu=0, sigma=1)",
        "relevance_scale": "LogNormal(mu=-4.3, sigma=1)",
        "relevance_local": "HalfStudentT(nu=3, sigma=1)",
        "tuning_shift": "Normal(mu=0, sigma=1)",
        "family_scale": "LogNormal(mu=-0.5, sigma=0.7)",
        "developer_ratio": "LogNormal(mu=0, sigma=0.5)",
        "recipe_ratio": "LogNormal(mu=-1, sigma=0.5)",
        "llm_ratio": "LogNormal(mu=-1, sigma=0.5)",
        "communality": "Beta(alpha=2, beta=2)",
        "family_slope_ratio": "LogNormal(mu=-1.5, sigma=0.5)",
        "total_loading": "Normal(mu=1, sigma=0.7)",
        "loading_contrast": "Normal(mu=0, sigma=0.5)",
        "difficulty": "Normal(mu=-0.5, sigma=1.5)",
        "slope_scale": "LogNormal(mu=-2.3, sigma=0.7)",
        "tuning_scale": "LogNormal(mu=-1.5, sigma=0.7)",
        "condition_scale": "LogNormal(mu=-1.2, sigma=0.7)",
        "developer_deviation_scale": "LogNormal(mu=-2.5, sigma=0.5)",
        "family_deviation_scale": "LogNormal(mu=-1.9, sigma=0.5)",
        "recipe_deviation_scale": "LogNormal(mu=-1.9, sigma=0.5)",
        "floor_slack": "Beta(alpha=1, beta=20)",
        "ceiling_share": "Beta(alpha=5, beta=1)",
        "asymmetry": "LogNormal(mu=0, sigma=1)",
        "precision": "LogNormal(mu=5.7, sigma=0.7)",
        "tail": "Gamma(alpha=4, beta=0.5)",
    }


@pytest.mark.parametrize(
    ("family", "parameters", "said"),
    [
        ("Normal", {"mu": 0, "sigma": -1}, "sigma=-1, which must be a finite number above zero"),
        ("Normal", {"mu": 0, "sigma": 0}, "sigma=0, which must be a finite number above zero"),
        ("Normal", {"mu": float("nan"), "sigma": 1}, "mu=nan, which must be a finite number"),
        (
            "Gamma",
            {"alpha": None, "beta": 1},
            "alpha=None, which must be a finite number above zero",
        ),
        ("HalfNormal", {"sigma": [1, 2]}, "sigma=[1, 2], which must be a finite number above zero"),
        ("Beta", {"alpha": "1", "beta": 1}, "alpha='1', which must be a finite number above zero"),
        (
            "Beta",
            {"alpha": True, "beta": 1},
            "alpha=True, which must be a finite number above zero",
        ),
    ],
)
def test_parameters_must_be_usable(family, parameters, said):
    assert message_of(Prior, family, **parameters) == (
        f"Prior({family!r}) has {said}. One prior holds for every element of a variable."
    )


def test_parameters_may_be_numbers_of_numpy():
    assert Prior("Normal", mu=np.int64(0), sigma=np.float32(0.5)) == Prior(
        "Normal", mu=0, sigma=0.5
    )


@pytest.mark.parametrize(
    ("n_terms", "mu"),
    [(1, -2.8), (2, -2.8), (6, -2.8), (8, -3.3), (16, -4.3), (17, -4.3), (25, -4.8)],
)
def test_of_more_terms_each_is_expected_to_matter_less(n_terms, mu):
    assert repr(expected_relevance(n_terms)) == f"LogNormal(mu={mu:g}, sigma=1)"
    assert merge_priors(None, n_terms)["relevance_scale"] == expected_relevance(n_terms)
    own = Prior("LogNormal", mu=-1, sigma=0.5)
    assert merge_priors({"relevance_scale": own}, n_terms)["relevance_scale"] == own
    assert merge_priors(None, 0) == merge_priors(None)


def test_a_model_expects_of_its_terms_what_their_number_says():
    table = ls.load_leaderboard(benchmarks=["MMLU", "HellaSwag"], tuned=False)
    settings = {"skills": 1, "features": "log(params_b) + norm + gated_mlp + code_pct"}
    table = ls.ScoreTable.from_long(
        table.scores, table.llms.assign(gated_mlp=table.llms["activation"] == "swiglu"),
        table.benchmarks, missing="keep",
    )  # fmt: skip
    model = ls.ScalingModel(table, **settings)
    assert model.priors["relevance_scale"] == expected_relevance(3)
    assert "[yours]" not in repr(model)
    own = ls.ScalingModel(table, **settings, priors={"relevance_scale": expected_relevance(30)})
    assert "LogNormal(mu=-5, sigma=1)  [yours]" in repr(own)


def test_every_default_has_a_reason():
    assert all(len(default.reason) > 20 for default in DEFAULTS.values())


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("developer_ratio", 1 / 2.7, 2.7),
        ("recipe_ratio", 0.14, 1),
        ("llm_ratio", 0.14, 1),
        ("communality", 0.09, 0.91),
        ("family_slope_ratio", 0.08, 0.6),
        ("family_scale", 0.15, 2.5),
        ("slope_scale", 0.03, 0.4),
        ("tuning_scale", 0.06, 0.9),
        ("condition_scale", 0.09, 1),
        ("developer_deviation_scale", 0.036, 0.19),
        ("family_deviation_scale", 0.06, 0.4),
        ("recipe_deviation_scale", 0.06, 0.4),
        ("relevance_scale", 0.002, 0.1),
        ("ceiling_share", 0.55, 1),
        ("asymmetry", 0.14, 7),
        ("precision", 75, 1200),
        ("tail", 2, 20),
    ],
)
def test_the_range_that_a_reason_names_is_what_the_prior_says(name, low, high):
    law = scipy_of(DEFAULTS[name].prior)
    assert 0.90 < law.cdf(high) - law.cdf(low) <= 1
    assert law.cdf(low) < 0.06
    assert law.sf(high) < 0.06


def test_no_scale_can_be_zero():
    scales = [name for name in DEFAULTS if name.endswith(("_ratio", "_scale"))]
    assert len(scales) == 12
    for name in scales:
        assert DEFAULTS[name].prior.family == "LogNormal"


def test_without_overrides_the_defaults_hold():
    defaults = {name: default.prior for name, default in DEFAULTS.items()}
    assert merge_priors(None) == merge_priors({}) == defaults


def test_an_override_replaces_one_prior():
    merged = merge_priors({"precision": Prior("Gamma", alpha=2, beta=0.01)})
    assert repr(merged.pop("precision")) == "Gamma(alpha=2, beta=0.01)"
    assert merged == {name: p for name, p in merge_priors(None).items() if name != "precision"}


def test_a_narrower_support_is_allowed_where_any_number_is():
    merged = merge_priors({"total_loading": Prior("HalfNormal", sigma=1)})
    assert merged["total_loading"].support == POSITIVE


def test_priors_are_equal_by_value_and_hashable():
    one, other = Prior("Normal", mu=0, sigma=1), Prior("Normal", mu=0.0, sigma=1)
    assert one == other
    assert len({one, other, Prior("Normal", mu=1, sigma=1)}) == 2


def test_the_support_is_said_in_words():
    assert Prior("Normal", mu=0, sigma=1).support == REAL
    assert Prior("Exponential", lam=1).support == POSITIVE
    assert Prior("Beta", alpha=1, beta=1).support == UNIT


def test_a_prior_declares_a_variable():
    import pymc as pm

    with pm.Model(coords={"skill": ["a", "b"]}) as model:
        Prior("LogNormal", mu=0, sigma=1).declare("loading", dims="skill")
        Prior("Exponential", lam=2).declare("scale", dims=None)
    assert model.named_vars_to_dims == {"loading": ("skill",)}
    assert [rv.name for rv in model.free_RVs] == ["loading", "scale"]
    np.testing.assert_array_equal(model["loading"].shape.eval(), [2])


def test_the_prior_is_public():
    assert ls.Prior is Prior


def test_an_unknown_distribution():
    assert message_of(Prior, "normal", mu=0, sigma=1) == (
        "'normal' (nearest: 'Normal') is not a distribution that a prior can have. Use one of "
        "'Normal', 'StudentT', 'Laplace', 'LogNormal', 'HalfNormal', 'HalfStudentT', 'HalfCauchy', "
        "'Exponential', 'Gamma', 'InverseGamma', 'Beta'."
    )


def test_unknown_parameters():
    assert message_of(Prior, "Normal", loc=0, scale=1) == (
        "Prior('Normal') takes the parameters 'mu', 'sigma', not 'loc', 'scale'."
    )


def test_parameters_that_are_absent():
    assert message_of(Prior, "HalfNormal") == (
        "Prior('HalfNormal') takes the parameters 'sigma', not none."
    )


def test_an_unknown_variable():
    assert message_of(merge_priors, {"precisionn": Prior("Exponential", lam=1)}) == (
        "There is no prior to override under 'precisionn' (nearest: 'precision'). The variables "
        "with a prior are 'feature_slope', 'relevance_scale', 'relevance_local', 'tuning_shift', "
        "'family_scale', 'developer_ratio', "
        "'recipe_ratio', 'llm_ratio', 'communality', 'family_slope_ratio', 'total_loading', "
        "'loading_contrast', "
        "'difficulty', 'slope_scale', 'tuning_scale', 'condition_scale', "
        "'developer_deviation_scale', 'family_deviation_scale', 'recipe_deviation_scale', "
        "'floor_slack', 'ceiling_share', 'asymmetry', 'precision', 'tail'."
    )


def test_what_is_no_prior():
    assert message_of(merge_priors, {"precision": 30}) == (
        "The prior of 'precision' is 30, which is not a Prior. Write, for instance, "
        "priors={'precision': ls.Prior('LogNormal', ...)}."
    )


def test_a_support_that_is_too_wide():
    assert message_of(merge_priors, {"precision": Prior("Normal", mu=300, sigma=10)}) == (
        "The prior Normal(mu=300, sigma=10) of 'precision' allows a real number, but 'precision' "
        "is a positive number. Use a distribution of the kind of the default, LogNormal(mu=5.7, "
        "sigma=0.7)."
    )


def test_a_positive_prior_of_a_share():
    assert message_of(merge_priors, {"ceiling_share": Prior("Exponential", lam=1)}) == (
        "The prior Exponential(lam=1) of 'ceiling_share' allows a positive number, but "
        "'ceiling_share' is a number in (0, 1). Use a distribution of the kind of the default, "
        "Beta(alpha=5, beta=1)."
    )
