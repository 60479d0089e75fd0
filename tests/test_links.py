"""The link: a sigmoid, more or less asymmetric."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from graph_points import MODE
from scipy import stats
from scipy.special import expit
from uncompiled import uncompile

from latentscale.kernels import links, scatter, scoring
from latentscale.likelihoods import score_sd
from latentscale.links import rise, rise_and_slope, symbolic_rise

ETA = np.linspace(-6, 6, 25)
ASYMMETRY = np.array([0.05, 0.3, 1.0, 3.0, 12.0, 60.0])
GRID = np.repeat(ETA, len(ASYMMETRY)), np.tile(np.arange(len(ASYMMETRY)), len(ETA))


def test_an_asymmetry_of_one_is_the_sigmoid():
    np.testing.assert_allclose(rise(ETA, np.array(1.0)), expit(ETA), rtol=1e-12)
    np.testing.assert_array_equal(rise(ETA), expit(ETA))


def test_every_link_passes_through_the_middle_with_the_slope_of_the_sigmoid():
    share, slope = rise_and_slope(np.zeros(len(ASYMMETRY)), ASYMMETRY)
    np.testing.assert_allclose(share, 0.5, rtol=1e-12)
    np.testing.assert_allclose(slope, 0.25, rtol=1e-12)


def test_more_asymmetry_leaves_the_floor_later_and_reaches_the_ceiling_later():
    below, above = rise(np.array(-3.0), ASYMMETRY), rise(np.array(3.0), ASYMMETRY)
    assert (np.diff(below) < 0).all()
    assert (np.diff(above) < 0).all()


@pytest.mark.parametrize("asymmetry", [None, *ASYMMETRY])
def test_the_slope_is_the_derivative(asymmetry):
    asymmetry = None if asymmetry is None else np.array(asymmetry)
    share, slope = rise_and_slope(ETA, asymmetry)
    np.testing.assert_array_equal(share, rise(ETA, asymmetry))
    step = 1e-5
    difference = (rise(ETA + step, asymmetry) - rise(ETA - step, asymmetry)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-9)
    assert (slope >= 0).all()


@pytest.mark.parametrize("far", [-800.0, 800.0])
def test_far_out_it_stays_a_share(far):
    share, slope = rise_and_slope(np.full(len(ASYMMETRY), far), ASYMMETRY)
    assert ((share >= 0) & (share <= 1)).all()
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("asymmetric", [True, False])
def test_the_graph_computes_the_same(asymmetric):
    eta, benchmark = GRID
    share = rise(eta, ASYMMETRY[benchmark] if asymmetric else None)
    symbol = pt.as_tensor(ASYMMETRY) if asymmetric else None
    risen = symbolic_rise(pt.as_tensor(eta), symbol, pt.as_tensor(benchmark))
    np.testing.assert_allclose(pytensor.function([], risen, mode=MODE)(), share, rtol=1e-10)


def test_the_kernels_compute_the_same_and_its_inverse(monkeypatch):
    uncompile(monkeypatch)
    eta, benchmark = GRID
    share, slope = rise_and_slope(eta, ASYMMETRY[benchmark])
    lines = links.lines(None, ASYMMETRY)
    found = []
    for e, j in zip(*GRID, strict=True):
        line = links.line_at(lines, j)
        left, softplus, _ = links.left_of_the_way(e, line)
        assert left == pytest.approx(1 - links.risen(left, softplus, line), rel=1e-10)
        found.append(links.risen(left, softplus, line))
    assert share.min() < 1e-50
    np.testing.assert_allclose(found, share, rtol=1e-6)
    inside = (share > 1e-6) & (share < 1 - 1e-6)
    assert inside.sum() > 100
    reached = [
        links.reach(s, links.line_at(lines, j))[:2]
        for s, j in zip(share[inside], benchmark[inside], strict=True)
    ]
    at, rate = np.array(reached).T
    np.testing.assert_allclose(at, eta[inside], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(rate, slope[inside], rtol=1e-6)


def test_a_share_is_kept_off_floor_and_ceiling_without_a_bend(monkeypatch):
    uncompile(monkeypatch)
    floor, ceiling, edge, step = 0.2, 0.7, 0.01, 1e-4
    plain = np.arange(-0.05, 1.05, step)
    found = [links.way_up(floor + 0.5 * each, floor, ceiling, edge) for each in plain]
    share, derivative = np.array(found).T
    assert share.min() == pytest.approx(edge)
    assert share.max() == pytest.approx(1 - edge)
    is_free = (plain > 3 * edge) & (plain < 1 - 3 * edge)
    np.testing.assert_allclose(share[is_free], plain[is_free], rtol=1e-12)
    np.testing.assert_allclose(np.gradient(share, step), derivative, atol=0.01)
    # It goes from one to zero on a way of four edges.
    assert np.abs(np.diff(derivative)).max() == pytest.approx(step / (4 * edge))


@pytest.mark.parametrize("eta", [-4.0, -9.0, -60.0])
@pytest.mark.parametrize("likelihood", ["normal", "student_t"])
def test_a_floor_of_zero_is_no_wall(eta, likelihood, monkeypatch):
    """What is expected comes near it, but is not rounded to it: there no density is defined."""
    uncompile(monkeypatch)
    asymmetry, floor, ceiling = np.array([10.0]), 0.0, 0.9
    constant_of, _, at_ends, _ = scatter.LIKELIHOODS[likelihood]
    precision, tail = 100.0, 5.0
    d_eta = np.empty(1)
    found = scoring._score_on(
        at_ends, np.zeros(1), np.ones(1), np.array([eta]),
        links.line_at(links.lines(None, asymmetry), 0), floor, ceiling, precision, tail,
        constant_of(precision, tail), d_eta,
    )  # fmt: skip
    expected = ceiling * rise(np.array([eta]), asymmetry)
    law = stats.norm() if likelihood == "normal" else stats.t(tail)
    [below] = law.logcdf(-expected / score_sd(expected, precision))
    assert found[0] == pytest.approx(below, rel=1e-6)
    assert np.isfinite(d_eta).all()
