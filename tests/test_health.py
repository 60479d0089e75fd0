"""The sampler's health, judged on draws made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from latentscale.health import diagnose


def draws_of(seed=1, chains=4, draws=800, names=("a", "b", "c")):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(chains, draws, len(names)))
    return xr.Dataset(
        {
            "loading": (("chain", "draw", "benchmark"), values),
            "tail": (("chain", "draw"), rng.normal(size=(chains, draws))),
        },
        coords={"benchmark": list(names)},
    )


def stats_of(chains=4, draws=800, seed=2, **variables):
    energy = np.random.default_rng(seed).normal(size=(chains, draws))
    held = {"energy": energy, "diverging": np.zeros((chains, draws), dtype=bool), **variables}
    return xr.Dataset({name: (("chain", "draw"), value) for name, value in held.items()})


def head_of(diagnosis):
    worst = diagnosis.summary
    return (
        f"worst R-hat {worst['r_hat'].max():.3f} ({worst['r_hat'].idxmax()}), worst bulk ESS "
        f"{worst['ess_bulk'].min():,.0f} ({worst['ess_bulk'].idxmin()}), worst tail ESS "
        f"{worst['ess_tail'].min():,.0f} ({worst['ess_tail'].idxmin()}), "
    )


def test_good_chains_pass():
    diagnosis = diagnose(draws_of(), stats_of())
    assert diagnosis.ok
    assert diagnosis.problems == ()
    assert diagnosis.divergences == 0
    assert diagnosis.at_max_depth == 0
    assert len(diagnosis.ebfmi) == 4
    assert min(diagnosis.ebfmi) > 1.5
    assert diagnosis.text == repr(diagnosis)
    assert diagnosis.text == (
        f"The chains agree: {head_of(diagnosis)}0 divergences, E-BFMI {min(diagnosis.ebfmi):.2f}."
    )


def test_the_summary_has_the_worst_of_each_variable():
    posterior = draws_of()
    slow = np.repeat(np.random.default_rng(3).normal(size=(4, 200)), 4, axis=1)
    posterior["loading"].loc[{"benchmark": "b"}] = slow
    summary = diagnose(posterior, stats_of()).summary
    assert summary.index.tolist() == ["loading", "tail"]
    assert summary.columns.tolist() == ["r_hat", "ess_bulk", "ess_tail", "worst"]
    assert summary.loc["loading", "worst"] == "b"
    assert summary.loc["tail", "worst"] == ""
    assert summary.loc["loading", "ess_bulk"] < 1200 < summary.loc["tail", "ess_bulk"]


def test_what_cannot_vary_is_passed_over():
    posterior = draws_of().assign(ceiling=(("chain", "draw"), np.ones((4, 800))))
    posterior["loading"].loc[{"benchmark": "a"}] = 0.0
    diagnosis = diagnose(posterior, stats_of())
    assert diagnosis.ok
    assert "ceiling" not in diagnosis.summary.index


def test_a_chain_in_another_mode_is_named():
    posterior = draws_of()
    posterior["loading"][{"chain": 2, "benchmark": 1}] += 6
    diagnosis = diagnose(posterior, stats_of())
    rhat = diagnosis.summary.loc["loading", "r_hat"]
    assert rhat > 1.5
    assert diagnosis.problems == (
        f"The chains ended in different modes: R-hat of loading ({rhat:.2f}); chain 2 lies apart. "
        "More draws do not help. Use fewer skills, or anchors= that the skills explain well and "
        "that differ from each other.",
    )
    assert diagnosis.text == (
        f"The posterior cannot be trusted yet: {head_of(diagnosis)}0 divergences, E-BFMI "
        f"{min(diagnosis.ebfmi):.2f}.\n- {diagnosis.problems[0]}"
    )


def test_chains_that_have_not_mixed():
    posterior = draws_of()
    posterior["tail"] = posterior["tail"] + 0.35 * xr.DataArray([0, 1, 0, -1], dims="chain")
    diagnosis = diagnose(posterior, stats_of())
    rhat = diagnosis.summary.loc["tail", "r_hat"]
    assert 1.01 < rhat < 1.2
    assert diagnosis.problems == (
        f"The chains have not mixed: R-hat above 1.01 for tail ({rhat:.2f}). Fit again with more "
        "of both, such as tune=2000, draws=2000.",
    )


def test_too_few_effective_draws():
    rng = np.random.default_rng(12)
    posterior = draws_of()
    posterior["tail"] = (("chain", "draw"), np.repeat(rng.normal(size=(4, 80)), 10, axis=1))
    diagnosis = diagnose(posterior, stats_of())
    ess, tail = diagnosis.summary.loc["tail", ["ess_bulk", "ess_tail"]]
    assert ess < 400
    assert diagnosis.summary["r_hat"].max() <= 1.01
    assert diagnosis.problems == (
        f"Too few effective draws (bulk ESS below 400) for tail ({ess:.0f}): means are still "
        "noisy. Fit again with more draws, such as draws=2000.",
        f"Too few effective draws (tail ESS below 400) for tail ({tail:.0f}): the ends of "
        "intervals are still noisy. Fit again with more draws, such as draws=2000.",
    )


def test_ends_of_intervals_may_be_noisier_than_means():
    posterior = draws_of()
    wide = np.repeat(np.arange(4) % 2 == 0, 200)  # for a while chains see the tails, then not
    posterior["tail"] = posterior["tail"] * xr.DataArray(np.where(wide, 3.0, 0.3), dims="draw")
    diagnosis = diagnose(posterior, stats_of())
    bulk, tail = diagnosis.summary.loc["tail", ["ess_bulk", "ess_tail"]]
    assert tail < 400 < bulk
    assert diagnosis.problems[-1] == (
        f"Too few effective draws (tail ESS below 400) for tail ({tail:.0f}): the ends of "
        "intervals are still noisy. Fit again with more draws, such as draws=2000."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_draws_that_are_not_finite_are_told(value):
    posterior = draws_of()
    posterior["loading"][{"chain": 1, "draw": 5, "benchmark": 2}] = value
    diagnosis = diagnose(posterior, stats_of())
    assert diagnosis.summary.loc["loading", "worst"] == "c"
    assert diagnosis.problems[0] == (
        "Draws of loading are not all finite, or a chain stands still, so that nothing can be "
        "read off them. Look at what the priors imply (model.prior_predictive()), and fit again."
    )
    assert "worst R-hat" in diagnosis.text


@pytest.mark.parametrize(("number", "words"), [(1, "1 trajectory"), (3, "3 trajectories")])
def test_divergences(number, words):
    diverging = np.zeros((4, 800), dtype=bool)
    diverging[1, :number] = True
    diagnosis = diagnose(draws_of(), stats_of(diverging=diverging))
    assert diagnosis.divergences == number
    assert diagnosis.problems == (
        f"{words} diverged: part of the posterior may not have been reached. Fit again with "
        "target_accept=0.95; if they stay, tighten the priors of the scales.",
    )
    assert ("1 divergence," if number == 1 else "3 divergences,") in diagnosis.text


def test_a_low_energy_fraction():
    energy = np.cumsum(np.random.default_rng(5).normal(size=(4, 800)), axis=1)
    diagnosis = diagnose(draws_of(), stats_of(energy=energy))
    assert diagnosis.problems == (
        f"E-BFMI is {min(diagnosis.ebfmi):.2f} (below 0.3): the sampler explores the tails of the "
        "posterior slowly. Fit again with tune=2000, or tighten the priors of the scales.",
    )


@pytest.mark.parametrize("name", ["maxdepth_reached", "reached_max_treedepth"])
def test_trajectories_that_were_cut_short(name):
    cut = np.zeros((4, 800), dtype=bool)
    cut[:, :200] = True
    diagnosis = diagnose(draws_of(), stats_of(**{name: cut}))
    assert diagnosis.at_max_depth == 0.25
    assert diagnosis.problems == (
        "25% of the trajectories were cut short at the largest tree depth: the draws move slowly. "
        "Fit again with tune=2000.",
    )


def test_one_chain_shows_nothing():
    diagnosis = diagnose(draws_of(chains=1, draws=4000), stats_of(chains=1, draws=4000))
    assert diagnosis.summary["r_hat"].isna().all()
    assert "R-hat" not in diagnosis.text
    assert diagnosis.problems == (
        "There is one chain only, so nothing shows whether another would agree. Use chains=4.",
    )


def test_all_problems_are_listed():
    posterior = draws_of()
    posterior["loading"][{"chain": 0}] += 6
    diverging = np.zeros((4, 800), dtype=bool)
    diverging[0, 0] = True
    energy = np.cumsum(np.random.default_rng(5).normal(size=(4, 800)), axis=1)
    diagnosis = diagnose(posterior, stats_of(diverging=diverging, energy=energy))
    assert [problem.split(" ")[0] for problem in diagnosis.problems] == ["The", "1", "E-BFMI"]
    assert "chain 0 lies apart" in diagnosis.text
    assert diagnosis.text.count("\n- ") == 3


def test_a_sampler_that_reports_no_energy_is_not_blamed():
    stats = stats_of().drop_vars(["energy", "diverging"])
    diagnosis = diagnose(draws_of(), stats)
    assert diagnosis.ok
    assert np.isnan(diagnosis.ebfmi).all()


def test_one_bad_number_among_hundreds_is_named():
    posterior = draws_of(draws=200, names=[f"benchmark {i}" for i in range(700)])
    posterior["loading"].loc[{"chain": 2, "benchmark": "benchmark 345"}] += 3.0
    diagnosis = diagnose(posterior, stats_of(draws=200))
    assert diagnosis.summary.loc["loading", "worst"] == "benchmark 345"
    assert diagnosis.summary.loc["loading", "r_hat"] > 1.2
    assert not diagnosis.ok
