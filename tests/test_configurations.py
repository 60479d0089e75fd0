"""Configurations: each draw has one of each family, by its chances, and effects free of shifts."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from fake_fit import fake_fit
from graph_points import FEATURES, small
from scipy.special import softmax
from scipy.stats import multivariate_normal, norm

from latentscale.configurations import with_configurations
from latentscale.forward import eta_of, fitted_members, read_draws, with_features
from latentscale.unknown import N_CONFIGURATIONS

SETTINGS = {
    "skills": 2, "features": FEATURES, "n_families": 6, "families_per_developer": 2.0,
    "developers": True,
}  # fmt: skip


def held_by(settings, chains=1, draws=3):
    """Give a model, and draws whose effects hold what configurations shift."""
    table = small(**{**SETTINGS, **settings}).table
    spec = {name: value for name, value in settings.items() if name == "deviations"}
    fit = fake_fit(2, chains, draws, table, features=FEATURES, developers=True, **spec)
    return fit.model, fit.posterior.drop_vars("configuration")


@pytest.mark.parametrize("settings", [{}, {"deviations": False}], ids=["whole", "no deviations"])
def test_logits_stay_what_they_were(settings):
    model, held = held_by(settings)
    design, members = model.design, fitted_members(model.design, model.spec)
    assert len(design.unknowns) >= 3
    assert len(design.unknowns.llm) >= 1
    before = eta_of(read_draws(held), members)
    found = with_configurations(held, design, np.random.default_rng(1))
    after = eta_of(with_features(read_draws(found), design), members)
    np.testing.assert_allclose(after, before, atol=1e-9)
    moved = np.abs(found["family_effect"] - held["family_effect"]).max(("chain", "draw", "skill"))
    gappy = moved["family"].isin(design.unknown_families)
    assert (moved[gappy] > 0).any()
    assert (moved[~gappy] == 0).all()


def test_chances_are_those_of_the_effects_less_the_shifts():
    model, held = held_by({}, draws=1)
    design, unknowns = model.design, model.design.unknowns
    at = held.isel(chain=0, draw=0)
    slope, free = at["feature_slope"].to_numpy(), at["free_benchmark"].to_numpy()
    own = at["benchmark_slope"].sel(benchmark=free).to_numpy()
    of_free = at.sel(benchmark=free)
    common = np.sqrt(at["communality"].to_numpy())
    correlation = np.outer(common, common)
    np.fill_diagonal(correlation, 1.0)
    of_effect = multivariate_normal(cov=correlation).logpdf
    many = xr.concat([held] * 4_000, "draw")
    drawn = with_configurations(many, design, np.random.default_rng(2))["configuration"][0]
    for u, family in enumerate(unknowns.family):
        developer = design.developer_of_family[family]
        log_chance = np.zeros(N_CONFIGURATIONS)
        for c in range(N_CONFIGURATIONS):
            moved = np.zeros(len(slope))
            moved[unknowns.columns] = unknowns.shift[u, c]
            for name, shift in (("effect", moved @ slope), ("deviation", own @ moved)):
                whole = of_free[f"family_{name}"], of_free[f"developer_{name}"]
                off = whole[0].to_numpy()[family] - whole[1].to_numpy()[developer] - shift
                if name == "effect":
                    log_chance[c] += of_effect(off / at["family_scale"].to_numpy())
                else:
                    log_chance[c] += norm.logpdf(off, 0, at["family_deviation_scale"]).sum()
            for o in range(unknowns.begin[u], unknowns.begin[u + 1]):
                alone = np.zeros(len(slope))
                alone[unknowns.columns] = unknowns.off[o, c]
                off = at["llm_effect"].to_numpy()[unknowns.llm[o]] - alone @ slope
                log_chance[c] += of_effect(off / at["llm_scale"].to_numpy())
        share = np.bincount(drawn[:, u], minlength=N_CONFIGURATIONS) / len(drawn)
        np.testing.assert_allclose(share, softmax(log_chance), atol=0.04)


def test_nothing_unknown_changes_nothing():
    fit = fake_fit(1, draws=3)
    posterior = fit.posterior.drop_vars("configuration")
    model = fake_fit(1, draws=3, table=small(skills=1).table).model
    assert with_configurations(posterior, model.design, np.random.default_rng(0)) is posterior


def test_few_draws_at_a_time_are_as_good(monkeypatch):
    model, held = held_by({}, chains=2, draws=5)
    monkeypatch.setattr("latentscale.configurations._NUMBERS_AT_ONCE", 1)
    found = with_configurations(held, model.design, np.random.default_rng(1))
    assert found.sizes["chain"] == 2
    assert found.sizes["draw"] == 5
    assert found["configuration"].dims == ("chain", "draw", "unknown_family")
    for name in held:
        assert found[name].dims == held[name].dims
        if name not in ("family_effect", "llm_effect", "family_deviation"):
            xr.testing.assert_equal(found[name], held[name])
