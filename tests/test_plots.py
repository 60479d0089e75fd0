"""Pictures: they show every label, take their arguments, compute nothing, and open no window."""

import itertools

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from arviz_plots import PlotCollection
from fake_fit import fake_fit, frame_of_scores
from matplotlib.collections import PathCollection
from test_calibration import cells_of

import latentscale as ls
from latentscale import checks, curves, effects, plots
from latentscale.errors import PredictionError
from latentscale.plots import style


@pytest.fixture(scope="module")
def fit():
    return fake_fit(draws=20, anchors=("HellaSwag", "GSM8K", "IFEval"))


@pytest.fixture(scope="module")
def small():
    benchmarks = ["HellaSwag", "GSM8K", "MMLU", "BBH"]
    return fake_fit(skills=2, draws=10, table=ls.load_leaderboard(benchmarks=benchmarks))


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


PICTURES = {
    "ability_ranking": lambda fit, **kw: plots.ability_ranking(fit, **kw),
    "calibration": lambda _, **kw: plots.calibration(cells_of(0.1), **kw),
    "family_effects": lambda fit, **kw: plots.family_effects(fit, **kw),
    "feature_curve": lambda fit, **kw: plots.feature_curve(fit, "tokens_t", **kw),
    "feature_effects": lambda fit, **kw: plots.feature_effects(fit, **kw),
    "feature_heatmap": lambda fit, **kw: plots.feature_heatmap(fit, **kw),
    "loadings": lambda fit, **kw: plots.loadings(fit, **kw),
    "predicted_vs_observed": lambda fit, **kw: plots.predicted_vs_observed(fit, **kw),
    "predictive_check": lambda fit, **kw: plots.predictive_check(fit, **kw),
    "scaling_curves": lambda fit, **kw: plots.scaling_curves(fit, "llama-2", **kw),
}


def _rows(target):
    return [label.get_text() for label in target.get_yticklabels()]


def _texts(figure):
    return [t for t in figure.findobj(mpl.text.Text) if t.get_text().strip() and t.get_visible()]


def test_every_picture_is_listed():
    assert sorted(PICTURES) == sorted(plots.__all__)


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_a_plot_collection_that_saves(fit, name, tmp_path):
    before = mpl.rcParams.copy()
    pc = PICTURES[name](fit)
    assert isinstance(pc, PlotCollection)
    assert mpl.rcParams == before
    pc.savefig(tmp_path / "picture.png", dpi=50)
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    assert min(text.get_fontsize() for text in _texts(style.figure_of(pc))) >= 7


@pytest.mark.parametrize("name", PICTURES)
def test_picture_refuses_an_unknown_element(fit, name):
    with pytest.raises(PredictionError, match=r"^visuals names 'rug', which this picture does not"):
        PICTURES[name](fit, visuals={"rug": False})


def test_message_about_an_unknown_element(fit):
    with pytest.raises(PredictionError) as error:
        plots.loadings(fit, visuals={"innr": False})
    assert str(error.value) == (
        "visuals names 'innr' (nearest: 'inner'), which this picture does not draw. Its elements "
        "are 'outer', 'inner', 'mean', 'zero'."
    )


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("ability_ranking", "outer"),
        ("family_effects", "inner"),
        ("feature_curve", "llms"),
        ("feature_effects", "zero"),
        ("feature_heatmap", "cells"),
        ("loadings", "mean"),
        ("predicted_vs_observed", "identity"),
        ("predictive_check", "observed"),
        ("scaling_curves", "points"),
        ("scaling_curves", "ceiling"),
    ],
)
def test_elements_can_be_turned_off_and_changed(small, name, element):
    assert element not in PICTURES[name](small, visuals={element: False}).viz.children
    drawn = style.elements_of(PICTURES[name](small, visuals={element: {"zorder": 9}}), element)
    assert {artist.get_zorder() for artist in drawn} == {9}


@pytest.mark.parametrize("name", PICTURES)
def test_figure_can_be_resized(small, name):
    pc = PICTURES[name](small, figure_kwargs={"figsize": (7, 6)})
    assert style.figure_of(pc).get_size_inches().tolist() == [7, 6]


def test_families_all_have_a_row(fit):
    pc = plots.family_effects(fit)
    panels = style.axes_of(pc)
    assert list(panels) == fit.posterior["skill"].values.tolist()
    summary = effects.family_effects(fit).summary
    best = summary[summary["skill"] == "skill 1 (HellaSwag)"]
    rows = _rows(panels["skill 1 (HellaSwag)"])
    assert rows == [f"{row.family} ({row.n_llms})" for row in best.itertuples()]
    lines = pc.viz["outer"]["drawn"].sel(skill="skill 1 (HellaSwag)").item()
    ends = np.array([segment[:, 0] for segment in lines.get_segments()])
    np.testing.assert_allclose(ends, best[["eti89_lb", "eti89_ub"]])


def test_families_can_be_chosen_and_sorted(fit):
    pc = plots.family_effects(fit, skills=["GSM8K"], top=5)
    ((name, target),) = style.axes_of(pc).items()
    assert name == "skill 2 (GSM8K)"
    assert len(_rows(target)) == 5
    pc = plots.family_effects(fit, sort_by="family", coords={"family": ["yi", "amber", "opt"]})
    rows = _rows(next(iter(style.axes_of(pc).values())))
    assert rows == ["amber (1)", "opt (8)", "yi (7)"]
    pc = plots.family_effects(fit, sort_by="IFEval", top=3)
    summary = effects.family_effects(fit).summary.query("skill == 'skill 3 (IFEval)'")
    shown = [row.split(" (")[0] for row in _rows(next(iter(style.axes_of(pc).values())))]
    assert shown == [name for name in summary["family"] if name in shown]


def test_ranking_shows_the_best_forty(fit):
    (target,) = style.axes_of(plots.ability_ranking(fit)).values()
    assert len(_rows(target)) == 40
    best = effects.ability_ranking(fit).summary["llm"][0]
    assert _rows(target)[0] == f"{best}  1"


def test_ranking_shows_all_in_a_tall_figure(fit):
    pc = plots.ability_ranking(fit, skill="GSM8K", top=None)
    (target,) = style.axes_of(pc).values()
    assert len(_rows(target)) == 239
    assert style.figure_of(pc).get_size_inches()[1] > 225 * 0.16


def test_rows_do_not_overlap(fit):
    for pc in (plots.family_effects(fit), plots.ability_ranking(fit, top=None)):
        figure = style.figure_of(pc)
        figure.canvas.draw()
        labels = next(iter(style.axes_of(pc).values())).get_yticklabels()
        boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.y0)
        assert all(low.y1 <= high.y0 + 0.5 for low, high in itertools.pairwise(boxes))


@pytest.mark.parametrize("name", PICTURES)
def test_title_and_legend_are_within_the_figure(fit, name):
    figure = style.figure_of(PICTURES[name](fit))
    figure.canvas.draw()
    for part in (figure._suptitle, *figure.legends):
        box = part.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_anchors_and_fixed_zeros_are_marked(fit):
    pc = plots.loadings(fit)
    target = style.axes_of(pc)["skill 1 (HellaSwag)"]
    marks = [part for part in target.collections if isinstance(part, PathCollection)]
    assert [len(part.get_offsets()) for part in marks] == [2, 1, 9]  # fixed, anchor, free
    assert len(_rows(target)) == 12


def test_curves_show_points_of_the_family_only(fit):
    pc = plots.scaling_curves(fit, "llama-2", benchmarks=["MMLU", "IFEval"])
    points = pc.viz["points"]["drawn"].sel(benchmark="MMLU").item()
    own = curves.scaling_curve(fit, "llama-2", ["MMLU"]).points
    np.testing.assert_allclose(points.get_offsets(), own[["params_b", "score"]])
    hollow = (points.get_facecolors()[:, :3] == 1).all(axis=1)
    assert hollow.tolist() == (own["tuned"] == 1).tolist()


def test_curves_of_an_odd_number_of_panels_keep_their_axes(fit):
    pc = plots.scaling_curves(fit, "pythia", benchmarks=["MMLU", "BBH", "GSM8K"], col_wrap=2)
    panels = style.axes_of(pc)
    assert [target.get_xlabel() for target in panels.values()] == ["", *["parameters (1e9)"] * 2]
    assert [target.get_ylabel() for target in panels.values()] == ["score (%)", "", "score (%)"]


def test_curves_need_a_family(fit):
    with pytest.raises(PredictionError) as error:
        plots.scaling_curves(fit)
    family = fit.model.design.families[0]
    assert str(error.value) == (
        f"A curve needs a family. Name one, as in plots.scaling_curves(fit, {family!r})."
    )


def test_curve_of_a_family_without_scores_on_a_benchmark(fit):
    scored = fit.model.design.scores.merge(fit.model.design.llms[["llm", "family"]], on="llm")
    counts = pd.crosstab(scored["family"], scored["benchmark"])
    family, benchmark = counts.stack().loc[lambda n: n == 0].index[0]
    pc = plots.scaling_curves(fit, family, benchmarks=[benchmark])
    assert style.elements_of(pc, "points") == []


def test_check_says_the_coverage_in_the_titles(fit):
    pc = plots.predictive_check(fit, coords={"benchmark": ["BBH", "MMLU"]})
    coverage = fit.coverage()["coverage"]
    for name, target in style.axes_of(pc).items():
        assert target.get_title("left") == f"{name}   {100 * coverage[name]:.0f} %"
    assert list(style.axes_of(pc)) == ["BBH", "MMLU"]


def test_comparison_has_all_scores(fit):
    pc = plots.predicted_vs_observed(fit)
    panels = style.axes_of(pc)
    assert list(panels) == list(fit.model.design.benchmarks)
    points = pc.viz["points"]["drawn"].sel(benchmark="GPQA").item()
    scores = frame_of_scores(fit).query("benchmark == 'GPQA'")["score"]
    np.testing.assert_allclose(points.get_offsets()[:, 0], scores)
    summary = checks.agreement(fit).summary.query("benchmark == 'GPQA'")
    for element, prob in (("inner", 50), ("outer", 90)):
        lines = pc.viz[element]["drawn"].sel(benchmark="GPQA").item().get_segments()
        ends = np.array(lines)[:, :, 1]
        np.testing.assert_allclose(ends, summary[[f"eti{prob}_lb", f"eti{prob}_ub"]])


def test_comparison_of_few_llms_gives_each_a_colour(fit):
    llms = pd.DataFrame(
        {"llm": ["a-7b", "a-70b"], "family": "a", "params_b": [7.0, 70.0], "tokens_t": 2.0}
    )
    observed = pd.DataFrame({"llm": ["a-7b", "a-70b"], "benchmark": "MMLU", "score": [0.5, 0.7]})
    pc = plots.predicted_vs_observed(fit.predict(llms), observed)
    (target,) = style.axes_of(pc).values()
    assert target.get_title("left").startswith("MMLU   ")
    assert target.get_title("left").endswith(" of 2")
    labels = [text.get_text() for text in style.figure_of(pc).legends[0].get_texts()]
    assert labels == ["a-7b", "a-70b", "predicted = observed"]


def test_results_are_drawn_as_they_are(fit):
    """A picture of a result is the picture of its fit: drawing computes nothing."""
    pairs = [
        (plots.family_effects, effects.family_effects(fit), "mean"),
        (plots.loadings, effects.loadings(fit), "mean"),
        (plots.ability_ranking, effects.ability_ranking(fit), "mean"),
        (plots.predictive_check, checks.predictive_check(fit), "observed"),
        (plots.predicted_vs_observed, checks.agreement(fit), "points"),
    ]
    for picture, result, element in pairs:
        ours, theirs = (style.elements_of(picture(data), element)[0] for data in (result, fit))
        positions = "get_xydata" if hasattr(ours, "get_xydata") else "get_offsets"
        np.testing.assert_array_equal(getattr(ours, positions)(), getattr(theirs, positions)())


def test_one_skill_is_enough():
    fit = fake_fit(skills=1, draws=10, anchors=["HellaSwag"])
    for name in ("family_effects", "loadings", "ability_ranking"):
        assert list(style.axes_of(PICTURES[name](fit))) == ["skill 1 (HellaSwag)"]


def test_feature_effects_on_scores_have_a_panel_for_each_comparison(small):
    found = small.feature_effects(on="score")
    pc = plots.feature_effects(found)
    names = found.summary["comparison"].unique().tolist()
    assert list(style.axes_of(pc)) == names
    target = style.axes_of(pc)[names[0]]
    assert _rows(target) == ["HellaSwag", "GSM8K", "MMLU", "BBH"] or len(_rows(target)) == 4


def test_effects_that_may_be_zero_are_grey(small):
    found = small.feature_effects()
    pc = plots.feature_effects(found)
    bounds = [name for name in found.summary if name.endswith(("_lb", "_ub"))][-2:]
    for skill, target in style.axes_of(pc).items():
        rows = found.summary[found.summary["skill"] == skill]
        sure = rows[bounds].prod(axis=1).to_numpy() > 0
        segments = [part for part in target.collections if hasattr(part, "get_segments")]
        colours = segments[1].get_colors()
        expected = [mpl.colors.to_rgb(style.BLUE if each else style.MUTED) for each in sure]
        np.testing.assert_allclose(np.array(colours)[:, :3], expected)


def test_a_feature_curve_without_a_feature(small):
    with pytest.raises(PredictionError) as error:
        plots.feature_curve(small)
    assert str(error.value) == (
        "A curve needs a feature. Name one, as in plots.feature_curve(fit, 'params_b')."
    )


def test_a_curve_is_on_a_scale_of_logarithms_where_the_formula_takes_them():
    fit = fake_fit(draws=5, features="log(params_b) + log10(context_length) + code_pct")
    for feature, grid, scale in (
        ("code_pct", [0, 1, 5, 20, 80], "linear"),
        ("context_length", [1024, 2048, 131072], "log"),
    ):
        curve = fit.curve(feature, grid=grid)
        assert curve.logarithmic == (scale == "log")
        (target, *_) = style.axes_of(plots.feature_curve(curve)).values()
        assert target.get_xscale() == scale


@pytest.mark.parametrize("bounds", [(6.5, 8.9), (3.2, 9.5), (0.07, 180), (7.01, 7.02), (1, 4)])
def test_axes_of_sizes_have_ticks(bounds):
    _, target = plt.subplots()
    target.plot(bounds, bounds)
    target.set_xlim(*bounds)
    style.size_axis(target)
    ticks = [tick for tick in target.get_xticks() if bounds[0] <= tick <= bounds[1]]
    assert 2 <= len(ticks) <= 6


def test_labels_are_cut_by_names_that_there_are(fit):
    skill = fit.spec.skill_names[1]
    pc = plots.family_effects(fit, coords={"skill": skill}, sort_by="HellaSwag", top=3)
    assert list(style.axes_of(pc)) == [skill]
    means = effects.family_effects(fit).summary.pivot(index="family", columns="skill")["mean"]
    largest = means[skill].abs().nlargest(3).index
    expected = means.loc[largest, fit.spec.skill_names[0]].sort_values(ascending=False).index
    assert [row.rpartition(" ")[0] for row in _rows(style.axes_of(pc)[skill])] == list(expected)
    for draw in (plots.family_effects, plots.loadings, plots.feature_effects):
        with pytest.raises(PredictionError, match=r"^coords of 'skill' names 'skill 9', which the"):
            draw(fit, coords={"skill": "skill 9"})
    with pytest.raises(PredictionError) as error:
        plots.predictive_check(fit, coords={"benchmark": ["mmlu"]})
    assert str(error.value).startswith(
        "coords of 'benchmark' names 'mmlu' (nearest: 'MMLU'), which the fit does not have. Its "
        "labels there are 'MMLU', "
    )
    with pytest.raises(PredictionError) as error:
        plots.loadings(fit, coords={"benchmrk": "MMLU"})
    assert str(error.value).startswith(
        "coords names 'benchmrk' (nearest: 'benchmark'), by which this picture cannot be cut."
    )
    with pytest.raises(PredictionError) as error:
        plots.family_effects(fit, top=0)
    assert str(error.value) == "top=0 must be at least 1: how many families to show."
    with pytest.raises(PredictionError, match=r"^These are no effects of families"):
        plots.family_effects(fit.developer_effects())


def test_a_ranking_shows_what_is_asked_of_it(fit):
    found = fit.ability_ranking("GSM8K")
    llms = ["openai-community/gpt2", "EleutherAI/pythia-70m"]
    pc = plots.ability_ranking(found, llms=llms, skill="GSM8K")
    (target,) = style.axes_of(pc).values()
    assert sorted(row.rpartition("  ")[0] for row in _rows(target)) == sorted(llms)
    assert style.figure_of(pc).get_suptitle().startswith("Ability of chosen LLMs in skill 2")
    with pytest.raises(PredictionError, match=r"^skills names 'MMLU'"):
        plots.ability_ranking(found, skill="MMLU")
    with pytest.raises(PredictionError, match=r"^llms names 'gpt-5'"):
        plots.ability_ranking(found, llms=["gpt-5"])
    with pytest.raises(PredictionError, match=r"^This is no ranking"):
        plots.ability_ranking(fit.family_effects())


def test_long_names_stay_in_their_panels():
    table = ls.load_leaderboard().select(families=["opt", "pythia", "llama"])
    names = {
        name: f"{name}_tracking_shuffled_objects_three_objects" for name in table.benchmark_names
    }
    scores = table.scores.assign(benchmark=table.scores["benchmark"].map(names))
    llms = table.llms.assign(family=table.llms["family"].replace({"opt": "o" * 70}))
    long = fake_fit(draws=5, skills=2, table=ls.ScoreTable.from_long(scores, llms, missing="keep"))
    for draw in (plots.family_effects, plots.loadings, plots.predictive_check):
        figure = style.figure_of(draw(long))
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        titles = [target.title for target in figure.axes] + [
            target._left_title for target in figure.axes
        ]
        boxes = [t.get_window_extent(renderer) for t in titles if t.get_text()]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2)), draw


def test_what_is_unknown_is_not_said_to_be_held(fit):
    family = "gpt-2"
    with pytest.warns(ls.errors.MissingFeatureWarning):
        pc = plots.scaling_curves(fit, family, benchmarks=["MMLU"])
    assert "None" not in style.figure_of(pc).get_suptitle()
