"""The bundled data: what is there, whether it is sound, and what happens if it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentscale import bundled, catalog
from latentscale.bundled import read_bundled
from latentscale.catalog import list_datasets, load_leaderboard, load_subtasks
from latentscale.errors import CatalogError
from latentscale.table import ScoreTable

CORE = [
    "MMLU",
    "ARC-C",
    "HellaSwag",
    "Winogrande",
    "TruthfulQA",
    "GSM8K",
    "IFEval",
    "BBH",
    "MATH Lvl 5",
    "GPQA",
    "MUSR",
    "MMLU-PRO",
]


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    """The leaderboard as it is loaded by default."""
    return load_leaderboard()


def test_counts(table: ScoreTable) -> None:
    assert len(table.llm_names) == 247
    assert len(table.family_names) == 51
    assert len(table.recipe_names) == 102
    assert table.benchmark_names == CORE
    assert table.n_obs == 2133
    assert table.scores["llm"].nunique() == 239


def test_suspect_cells_are_left_out_unless_asked_for(table: ScoreTable) -> None:
    everything = load_leaderboard(suspect=True)
    assert everything.n_obs == table.n_obs + 34
    assert everything.scores["suspect"].notna().sum() == 34
    assert table.scores["suspect"].isna().all()


def test_maths_of_tuned_llms_far_below_their_bases_is_suspect() -> None:
    everything = load_leaderboard(suspect=True)
    of_maths = everything.scores[everything.scores["benchmark"] == "GSM8K"].set_index("llm")
    tuned = everything.llms[everything.llms["tuned"] == 1].set_index("llm")
    of_base = tuned["base_llm"].map(of_maths["score"])
    low = of_base.index[of_maths["score"].reindex(of_base.index) < 0.6 * of_base]
    assert len(low) == 23
    assert of_maths.loc[low, "suspect"].notna().all()


def test_no_llm_came_out_before_the_one_it_was_tuned_from(table: ScoreTable) -> None:
    llms = table.llms.set_index("llm")
    of_base = llms["base_llm"].map(llms["release_date"])
    assert of_base.notna().sum() > 200
    assert llms.index[llms["release_date"] < of_base].tolist() == []


def test_extras_are_added_when_asked_for(table: ScoreTable) -> None:
    everything = load_leaderboard(suspect=True, extras=True)
    assert everything.benchmark_names == [*CORE, "HumanEval", "XWinograd"]
    assert everything.n_obs == 2454


def test_benchmarks_can_be_chosen_extras_included() -> None:
    chosen = load_leaderboard(benchmarks=["XWinograd", "MMLU"])
    assert chosen.benchmark_names == ["MMLU", "XWinograd"]
    assert load_leaderboard(benchmarks="MMLU").benchmark_names == ["MMLU"]


def test_loading_twice_gives_equal_and_separate_tables(table: ScoreTable) -> None:
    assert load_leaderboard().equals(table)


def test_chance_levels(table: ScoreTable) -> None:
    chance = table.benchmarks.set_index("benchmark")["chance"]
    assert chance["TruthfulQA"] == 0.31
    assert chance["MMLU-PRO"] == 0.1
    assert chance["GSM8K"] == 0
    assert chance.between(0, 1, inclusive="left").all()


def test_scores_are_fractions() -> None:
    scores = load_leaderboard(suspect=True, extras=True).scores
    assert scores["score"].between(0, 1).all()
    assert scores["source"].notna().all()
    assert not scores.duplicated(["llm", "benchmark"]).any()


@pytest.mark.parametrize(
    "benchmark", ["ARC-C", "HellaSwag", "Winogrande", "GSM8K", "GPQA", "MMLU-PRO"]
)
def test_leaderboard_scores_are_ratios_of_counts(benchmark: str, table: ScoreTable) -> None:
    scores = table.select(benchmarks=benchmark).scores
    n_items = table.benchmarks.set_index("benchmark")["n_items"][benchmark]
    right = scores.loc[scores["source"].str.startswith("Open LLM"), "score"] * n_items
    np.testing.assert_allclose(right, right.round(), atol=1e-6)


def test_recipes_are_tuned_or_not_and_lie_in_one_family(table: ScoreTable) -> None:
    by_recipe = table.llms.groupby("recipe")
    assert (by_recipe["tuned"].nunique() == 1).all()
    assert (by_recipe["family"].nunique() == 1).all()


def test_units(table: ScoreTable) -> None:
    llms = table.llms.set_index("llm")
    assert llms.loc["meta-llama/Llama-2-7b-hf", "params_b"] == pytest.approx(6.74, abs=0.01)
    assert llms.loc["meta-llama/Llama-2-7b-hf", "tokens_t"] == 2
    assert llms["params_b"].dropna().between(0.05, 500).all()
    assert llms["tokens_t"].dropna().between(0.001, 20).all()
    for share in ("code_pct", "web_pct", "english_pct"):
        assert llms[share].dropna().between(0, 100).all()


def test_release_dates_are_dates(table: ScoreTable) -> None:
    released = table.llms.set_index("llm")["release_date"]
    assert pd.api.types.is_datetime64_any_dtype(released)
    assert released[released.isna()].index.tolist() == ["claude-instant-1.1"]
    assert released.dropna().between("2019-01-01", "2026-01-01").all()


def test_active_parameters_belong_to_mixtures_of_experts(table: ScoreTable) -> None:
    llms = table.llms
    assert llms["active_params_b"].notna().equals(llms["n_experts"].notna())
    moe = llms.dropna(subset=["active_params_b"])
    assert (moe["active_params_b"] < moe["params_b"]).all()


def test_base_llms_are_their_own_base(table: ScoreTable) -> None:
    llms = table.llms
    base = llms[llms["tuned"] == 0]
    assert (base["llm"] == base["base_llm"]).all()


def test_subtasks(table: ScoreTable) -> None:
    subtasks = load_subtasks()
    assert len(subtasks) == 12_600
    assert subtasks.groupby("benchmark")["subtask"].nunique().to_dict() == {
        "BBH": 24,
        "GPQA": 3,
        "MATH Lvl 5": 7,
        "MMLU": 57,
        "MUSR": 3,
    }
    assert subtasks["score"].between(0, 1).all()
    assert subtasks["chance"].between(0, 1, inclusive="left").all()
    assert set(subtasks["llm"]) <= set(table.llm_names)
    assert not subtasks.duplicated(["llm", "benchmark", "subtask"]).any()


def test_subtasks_are_handed_out_as_copies() -> None:
    subtasks = load_subtasks()
    subtasks["score"] = 0.0
    assert load_subtasks()["score"].max() > 0.9


def test_the_list_of_data_sets_tells_the_truth() -> None:
    listed = list_datasets()
    assert listed["name"].tolist() == ["llms", "scores", "benchmarks", "subtask_scores"]
    assert listed.columns.tolist() == ["name", "rows", "what", "source", "licence", "loader"]
    for name, rows in zip(listed["name"], listed["rows"], strict=True):
        assert len(read_bundled("leaderboard", f"{name}.csv")) == rows
    assert (listed.drop(columns="rows") != "").all(axis=None)


def test_an_unknown_benchmark() -> None:
    with pytest.raises(CatalogError) as caught:
        load_leaderboard(benchmarks=["mmlu", "MMLU"])
    assert str(caught.value) == (
        "The bundled leaderboard holds no 'mmlu' (nearest: 'MMLU'). Its benchmarks are MMLU, "
        "ARC-C, HellaSwag, Winogrande, TruthfulQA, GSM8K, IFEval, BBH, MATH Lvl 5, GPQA, MUSR, "
        "MMLU-PRO, HumanEval, XWinograd; names are compared exactly:\n"
        '      load_leaderboard(benchmarks=["MMLU", "GSM8K"])'
    )


def test_no_benchmark() -> None:
    with pytest.raises(CatalogError) as caught:
        load_leaderboard(benchmarks=[])
    assert str(caught.value) == (
        "The bundled leaderboard was asked for no benchmark. Its benchmarks are MMLU, ARC-C, "
        "HellaSwag, Winogrande, TruthfulQA, GSM8K, IFEval, BBH, MATH Lvl 5, GPQA, MUSR, MMLU-PRO, "
        "HumanEval, XWinograd; names are compared exactly:\n"
        '      load_leaderboard(benchmarks=["MMLU", "GSM8K"])'
    )


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let the bundled data be looked for in two folders of this test's own."""
    monkeypatch.setattr(bundled, "_roots", lambda: [tmp_path / "wheel", tmp_path / "checkout"])
    catalog._checked.cache_clear()
    yield tmp_path
    catalog._checked.cache_clear()


def test_data_are_missing(elsewhere: Path) -> None:
    with pytest.raises(CatalogError) as caught:
        load_subtasks()
    assert str(caught.value) == (
        "The bundled file leaderboard/subtask_scores.csv is missing: it is neither in "
        f"{elsewhere / 'wheel'} nor in {elsewhere / 'checkout'}. Bundled data sets and known "
        "chance levels cannot be read without it, so this installation is incomplete. Reinstall "
        "the package:\n      python -m pip install --force-reinstall latentscale"
    )


@pytest.mark.parametrize("place", ["wheel", "checkout"])
def test_data_are_found_in_a_wheel_and_in_a_checkout(elsewhere: Path, place: str) -> None:
    folder = elsewhere / place / "leaderboard"
    folder.mkdir(parents=True)
    (folder / "numbers.csv").write_text("a,b\n1,2\n")
    assert read_bundled("leaderboard", "numbers.csv").to_dict("list") == {"a": [1], "b": [2]}


def test_data_were_cut(elsewhere: Path) -> None:
    folder = elsewhere / "wheel" / "leaderboard"
    folder.mkdir(parents=True)
    columns = "llm,benchmark,subtask,score,n_items,chance,source"
    (folder / "subtask_scores.csv").write_text(f"{columns}\na,BBH,x,0.5,1,0.25,y\n")
    with pytest.raises(CatalogError) as caught:
        load_subtasks()
    assert str(caught.value) == (
        "The bundled file leaderboard/subtask_scores.csv has 1 row, where 12,600 rows of llm, "
        "benchmark, subtask, score, n_items, chance, source are expected. It was changed or cut "
        "since it was released, and results from it would not be comparable. Reinstall the "
        "package:\n      python -m pip install --force-reinstall latentscale"
    )


def test_data_lost_a_column(elsewhere: Path) -> None:
    folder = elsewhere / "checkout" / "leaderboard"
    folder.mkdir(parents=True)
    (folder / "benchmarks.csv").write_text("benchmark,n_items,metric,core\nMMLU,14042,acc,True\n")
    with pytest.raises(CatalogError) as caught:
        load_leaderboard()
    assert str(caught.value) == (
        "The bundled file leaderboard/benchmarks.csv lacks the columns task, chance, "
        "empirical_floor, where 14 rows of benchmark, task, n_items, chance, empirical_floor, "
        "metric, core are expected. It was changed or cut since it was released, and results from "
        "it would not be comparable. Reinstall the package:\n"
        "      python -m pip install --force-reinstall latentscale"
    )


def test_base_llms_alone() -> None:
    table = load_leaderboard(extras=True, tuned=False)
    assert (table.llms["tuned"] == 0).all()
    assert set(table.scores["llm"]) <= set(table.llms["llm"])
    assert table.benchmarks.groupby("task")["benchmark"].apply(list).to_dict() == {
        "code": ["HumanEval"],
        "instructions": ["IFEval"],
        "knowledge": ["MMLU", "ARC-C", "GPQA", "MMLU-PRO"],
        "language": ["HellaSwag", "Winogrande", "XWinograd"],
        "maths": ["GSM8K", "MATH Lvl 5"],
        "reasoning": ["BBH", "MUSR"],
        "truthfulness": ["TruthfulQA"],
    }
