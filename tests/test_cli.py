"""The command line, from CSV files to CSV files, and the demo's story; no sampler runs."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_fit import fake_fit

import latentscale as ls
from latentscale import cli, demo, report
from latentscale.errors import ConvergenceWarning, PredictionWarning, TableError
from latentscale.model import ScalingModel


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with the three CSV files of a small table, and work in it."""
    llms = pd.DataFrame(
        {
            "llm": ["a-1b", "a-2b", "a-7b", "b-3b", "b-13b"],
            "family": list("aaabb"),
            "params_b": [1.0, 2.0, 7.0, 3.0, 13.0],
            "tokens_t": [1.0, 2.0, 1.5, 4.0, 3.0],
        }
    )
    scores = pd.DataFrame(
        [(llm, name) for llm in llms["llm"] for name in ("MMLU", "GSM8K", "mine", "BBH")],
        columns=["llm", "benchmark"],
    )
    scores["score"] = np.linspace(0.3, 0.7, len(scores))
    benchmarks = pd.DataFrame({"benchmark": ["MMLU", "GSM8K", "mine", "BBH"], "chance": 0.25})
    for name, frame in (("scores", scores), ("llms", llms), ("benchmarks", benchmarks)):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    pd.DataFrame({"llm": ["new"], "family": ["c"], "params_b": [5.0], "tokens_t": [2.0]}).to_csv(
        tmp_path / "new.csv", index=False
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put hand-made draws in place of the sampler, and note what was asked of it."""
    noted: dict[str, Any] = {}

    def fit(model: ScalingModel, **settings: Any) -> ls.ScalingFit:
        noted.update(settings, model=model)
        made = fake_fit(model.spec.skills, draws=100, table=model.table)
        return ls.ScalingFit(model, made.idata)

    monkeypatch.setattr(ScalingModel, "fit", fit)
    return noted


@pytest.fixture
def saved(files: Path) -> str:
    table = ls.ScoreTable.from_long(pd.read_csv("scores.csv"), pd.read_csv("llms.csv"))
    fake_fit(skills=2, draws=100, table=table).save("fit.nc")
    return "fit.nc"


class TestHelp:
    @pytest.mark.parametrize("command", [[], ["demo"], ["fit"], ["predict"], ["report"]])
    def test_every_command_explains_itself(
        self, command: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            cli.main([*command, "--help"])
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith(" ".join(["usage: latentscale", *command]))

    def test_help_imports_nothing_heavy(self) -> None:
        code = (
            "import sys\n"
            "from latentscale.cli import main\n"
            "try:\n    main(['fit', '--help'])\nexcept SystemExit:\n    pass\n"
            "heavy = {'pymc', 'arviz', 'xarray', 'pandas', 'numpy', 'matplotlib'}\n"
            "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            cli.main(["--version"])
        assert capsys.readouterr().out == f"latentscale {ls.__version__}\n"

    def test_no_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            cli.main([])
        assert caught.value.code == 2
        assert "the following arguments are required: COMMAND" in capsys.readouterr().err


@pytest.mark.usefixtures("files")
class TestFit:
    def test_saves_a_fit_of_the_files(
        self, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["fit", "scores.csv", "llms.csv", "-o", "fit.nc", "--skills", "2"]) == 0
        assert asked.pop("model").spec.skills == 2
        assert asked == {"random_seed": 1, "progressbar": True, "sampler": "nutpie"}
        loaded = ls.load_fit("fit.nc")
        assert loaded.table.llm_names == ["a-1b", "a-2b", "a-7b", "b-3b", "b-13b"]
        assert capsys.readouterr().out == f"{loaded!r}\nSaved to fit.nc\n"

    def test_advice_of_the_diagnosis_can_be_followed(self, asked: dict[str, Any]) -> None:
        command = ["fit", "scores.csv", "llms.csv", "-o", "fit.nc", "--skills", "2"]
        assert cli.main([*command, "--target-accept", "0.95", "--cores", "1"]) == 0
        assert (asked["target_accept"], asked["cores"]) == (0.95, 1)

    def test_passes_every_option_on(self, asked: dict[str, Any]) -> None:
        options = (
            "--benchmarks benchmarks.csv --skills 2 --features log(params_b) --likelihood beta "
            "--link logistic --anchors mine MMLU --draws 7 --tune 8 --chains 3 --seed 9 "
            "--sampler pymc --quiet"
        )
        arguments = ["fit", "scores.csv", "llms.csv", "-o", "fit.nc", *options.split()]
        assert cli.main(arguments) == 0
        model = asked.pop("model")
        assert model.spec.anchors == ("mine", "MMLU")
        assert (model.spec.features, model.spec.likelihood) == ("log(params_b)", "beta")
        assert model.spec.link == "logistic"
        assert model.table.benchmarks["chance"].tolist() == [0.25] * 4
        assert asked == {
            "draws": 7,
            "tune": 8,
            "chains": 3,
            "random_seed": 9,
            "sampler": "pymc",
            "progressbar": False,
        }

    def test_conditions_are_columns_of_the_scores(self, asked: dict[str, Any]) -> None:
        scores = pd.read_csv("scores.csv")
        scores.assign(shots=scores["benchmark"].eq("MMLU") & (scores.index % 2 == 0)).to_csv(
            "told.csv", index=False
        )
        options = ["--skills", "2", "--conditions", "shots"]
        cli.main(["fit", "told.csv", "llms.csv", "-o", "fit.nc", *options])
        assert asked["model"].spec.conditions == ("shots",)

    def test_unknown_features_are_kept_on_request(
        self, files: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        llms = pd.read_csv("llms.csv")
        llms.loc[2, "tokens_t"] = np.nan
        llms.to_csv("llms.csv", index=False)
        command = ["fit", "scores.csv", "llms.csv", "-o", "fit.nc", "--skills", "1"]
        assert cli.main(command) == 2
        assert "latentscale: error: The score table has 1 problem" in capsys.readouterr().err
        assert cli.main([*command, "--missing", "keep"]) == 0
        assert capsys.readouterr().err == ""

    @pytest.mark.usefixtures("asked")
    def test_missing_folder_is_told_before_the_work(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["fit", "nothing.csv", "nothing.csv", "-o", "results/fit.nc"]) == 2
        assert capsys.readouterr().err == (
            "latentscale: error: The folder 'results' does not exist, so nothing can be written "
            "to 'results/fit.nc'. Make it first:\n      mkdir -p results\n"
        )

    @pytest.mark.usefixtures("asked")
    def test_a_folder_for_a_file_is_told_before_the_work(
        self, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (files / "results").mkdir()
        assert cli.main(["fit", "scores.csv", "llms.csv", "-o", "results"]) == 2
        assert capsys.readouterr().err == (
            "latentscale: error: 'results' is a folder, so no file can be written there. Name a "
            "file in it:\n      -o results/fit.nc\n"
        )
        monkeypatch.setattr("os.access", lambda *_: False)
        assert cli.main(["fit", "scores.csv", "llms.csv", "-o", "results/fit.nc"]) == 2
        assert capsys.readouterr().err == (
            "latentscale: error: The folder 'results' may not be written to, so 'results/fit.nc' "
            "cannot be made there. Give -o another folder.\n"
        )

    def test_settings_that_do_not_fit_are_one_message(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["fit", "scores.csv", "llms.csv", "-o", "fit.nc", "--skills", "3"]) == 2
        assert capsys.readouterr().err == (
            "latentscale: error: skills=3 needs at least 6 benchmarks, and the table has 4 with "
            "scores: 'MMLU', 'GSM8K', 'mine', 'BBH'. With fewer, several loadings explain the "
            "scores equally well and the skills mean nothing. Use skills=2, or add benchmarks.\n"
        )

    @pytest.mark.parametrize("drawn", [False, True])
    def test_ctrl_c(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        drawn: bool,
    ) -> None:
        """Nothing is written, whether or not draws were kept before."""

        def interrupted(_model: ScalingModel, **_settings: Any) -> ls.ScalingFit:
            if drawn:
                return fake_fit(skills=1)
            raise KeyboardInterrupt

        monkeypatch.setattr(ScalingModel, "_drawn", interrupted)
        command = ["fit", "scores.csv", "llms.csv", "-o", "fit.nc", "--skills", "1"]
        assert cli.main(command) == 130
        assert capsys.readouterr().err == "latentscale: stopped.\n"
        assert not Path("fit.nc").exists()


@pytest.mark.usefixtures("files")
class TestBadCsv:
    def error(self, capsys: pytest.CaptureFixture[str]) -> str:
        assert cli.main(["fit", "bad.csv", "llms.csv", "-o", "fit.nc"]) == 2
        return capsys.readouterr().err

    def test_missing(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.error(capsys) == (
            "latentscale: error: There is no file 'bad.csv'. Check the path.\n"
        )

    def test_empty(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("bad.csv").touch()
        assert self.error(capsys) == (
            "latentscale: error: 'bad.csv' is empty. The first line of a CSV file names its "
            "columns.\n"
        )

    def test_ragged(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("bad.csv").write_text("llm,benchmark\na,b\na,b,c,d\n")
        assert self.error(capsys) == (
            "latentscale: error: 'bad.csv' cannot be read as CSV: Error tokenizing data. C error: "
            "Expected 2 fields in line 3, saw 4. Save it as comma-separated text in UTF-8.\n"
        )

    def test_not_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("bad.csv").write_bytes(b"llm,benchmark\n\xff\xfe,x\n")
        message = self.error(capsys)
        assert message.startswith("latentscale: error: 'bad.csv' cannot be read as CSV: 'utf-8'")
        assert message.endswith(". Save it as comma-separated text in UTF-8.\n")

    def test_folder(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("bad.csv").mkdir()
        assert self.error(capsys) == (
            "latentscale: error: 'bad.csv' cannot be read: Is a directory.\n"
        )


class TestPredict:
    def test_writes_csv_to_stdout(self, saved: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["predict", saved, "new.csv"]) == 0
        out, err = capsys.readouterr()
        expected = ls.load_fit(saved).predict(pd.read_csv("new.csv")).summary
        pd.testing.assert_frame_equal(pd.read_csv(StringIO(out)), expected, rtol=1e-5)
        assert err == ""

    def test_options(self, saved: str, capsys: pytest.CaptureFixture[str]) -> None:
        options = "--ci-prob 0.5 --benchmarks mine MMLU --seed 3 -o out.csv"
        assert cli.main(["predict", saved, "new.csv", *options.split()]) == 0
        expected = ls.load_fit(saved).predict(
            pd.read_csv("new.csv"), ci_prob=0.5, benchmarks=["mine", "MMLU"], random_seed=3
        )
        pd.testing.assert_frame_equal(pd.read_csv("out.csv"), expected.summary, rtol=1e-5)
        assert capsys.readouterr().out == "2 predictions written to out.csv\n"

    def test_known_scores_are_conditioned_on(
        self, saved: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("known.csv").write_text("llm,benchmark,score\nnew,MMLU,0.5\n")
        assert cli.main(["predict", saved, "new.csv", "--scores", "known.csv"]) == 0
        frame = pd.read_csv(StringIO(capsys.readouterr().out)).set_index("benchmark")
        assert frame.loc["MMLU", "known"] == 0.5
        assert frame["known"].notna().sum() == 1

    def test_warnings_are_lines_on_stderr(
        self, saved: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("new.csv").write_text("llm,family,params_b,tokens_t\nhuge,c,900,2\n")
        assert cli.main(["predict", saved, "new.csv"]) == 0
        out, err = capsys.readouterr()
        assert out.startswith("llm,benchmark,mean,sd,eti90_lb,eti90_ub,family_status,known\nhuge,")
        assert err.startswith("latentscale: warning: Outside the range of the fitted LLMs: 'huge'")
        assert err.count("\n") == 1

    @pytest.mark.usefixtures("files")
    def test_no_fit(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["predict", "llms.csv", "new.csv"]) == 2
        assert capsys.readouterr().err == (
            "latentscale: error: 'llms.csv' is not a saved fit: it is no netCDF-4 file at all. "
            "ls.load_fit reads only what fit.save(path) wrote.\n"
        )

    def test_a_reader_that_has_had_enough(
        self, saved: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def closed(_text: str) -> None:
            raise BrokenPipeError

        silenced: list[bool] = []
        monkeypatch.setattr(cli, "_silence_stdout", lambda: silenced.append(True))
        with monkeypatch.context() as patch:
            patch.setattr(sys.stdout, "write", closed)
            assert cli.main(["predict", saved, "new.csv"]) == 0
        assert silenced
        assert capsys.readouterr().err == ""


class TestReport:
    def test_text(self, saved: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["report", saved, "--ci-prob", "0.8", "--families", "1"]) == 0
        out, fit = capsys.readouterr().out, ls.load_fit(saved)
        assert out == "\n\n".join(
            [
                repr(fit),
                fit.diagnose().text,
                report.coverage_text(fit, ci_prob=0.8),
                report.family_effects_text(fit, shown=1, ci_prob=0.8) + "\n",
            ]
        )

    def test_figures(self, saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = tmp_path / "new" / "figures"
        assert cli.main(["report", saved, "--out", str(folder)]) == 0
        names = [
            "family_effects",
            "ability_ranking",
            "loadings",
            "scaling_curves",
            "predictive_check",
            "predicted_vs_observed",
        ]
        written = "".join(f"\n  {folder / name}.png" for name in names)
        assert capsys.readouterr().out.endswith(f"\n\nWritten:{written}\n")
        for name in names:
            assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")

    def test_family_effects_show_both_ends(self) -> None:
        lines = report.family_effects_text(fake_fit(draws=50), shown=2).splitlines()
        assert lines[:2] == [
            "Family effects beyond log(params_b) * log(tokens_t) + release_date and tuning,",
            "in logits of the skill's anchor, with 90 % intervals:",
        ]
        assert lines[2] == "  skill 1 (HellaSwag)"
        assert lines[5] == "    ... 42 more"
        assert len(lines) == 2 + 3 * 6
        none = report.family_effects_text(fake_fit(draws=50), shown=0).splitlines()
        assert none[3:5] == ["    ... 46 more", lines[8]]

    def test_a_number_of_families_is_not_below_zero(
        self, saved: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            cli.main(["report", saved, "--families=-1"])
        assert capsys.readouterr().err.endswith(
            "argument --families: '-1' is no whole number of at least 0\n"
        )

    def test_coverage_is_in_points(self, saved: str) -> None:
        fit = ls.load_fit(saved)
        lines = report.coverage_text(fit).splitlines()
        assert lines[0] == (
            "Observed scores inside their 90 % predictive interval (for a family that nobody has "
            "seen),"
        )
        assert lines[2].split() == ["scores", "inside", "width", "error"]
        assert [line.split()[0] for line in lines[3:]] == list(fit.model.design.benchmarks)
        first = fit.coverage().iloc[0]
        assert lines[3].split()[1:] == [
            f"{first['n']:.0f}",
            f"{first['coverage']:.0%}",
            f"{100 * first['width']:.1f}",
            f"{100 * first['mae']:.1f}",
        ]

    def test_widest_family(self) -> None:
        assert report.widest_family(fake_fit(draws=2)) == "opt"


class TestDemo:
    @pytest.fixture
    def quiet_figures(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One small picture in place of the many."""
        from matplotlib.figure import Figure

        from latentscale import plots

        class Collection:
            def __init__(self) -> None:
                self.viz = {"figure": np.array(Figure(figsize=(1, 1)), dtype=object)}

        def one(_fit: ls.ScalingFit) -> Iterator[tuple[str, Any]]:
            yield "one", Collection()

        monkeypatch.setattr(demo, "figures_of_fit", one)
        monkeypatch.setattr(plots, "predicted_vs_observed", lambda *_, **__: Collection())

    @pytest.mark.usefixtures("quiet_figures")
    def test_story(
        self, tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "results" / "out"
        assert cli.main(["demo", "--out", str(out), "--seed", "4"]) == 0
        assert "qwen2" not in asked.pop("model").table.family_names
        settings = {"draws": 2000, "tune": 300, "chains": 4, "target_accept": 0.9}
        assert asked == {"random_seed": 4, **settings}
        text = capsys.readouterr().out
        told = [
            "The leaderboard without the family 'qwen2':",
            "Of 'qwen2' only the 12 scores of Qwen/Qwen2-0.5B will be known.",
            "worst R-hat",
            "worst bulk ESS",
            "divergences     0",
            "Family effects",
            "Prediction of the left-out family 'qwen2', given Qwen/Qwen2-0.5B",
            "Qwen/Qwen2-1.5B",
            "Qwen/Qwen2-72B",
            "mean absolute error",
            "inside the interval",
            "Written:",
        ]
        places = [text.index(line) for line in told]
        assert places == sorted(places)
        names = ["fit.nc", "left_out_family.png", "one.png"]
        assert sorted(path.name for path in out.iterdir()) == names
        for name in names:
            assert f"  {out / name} (" in text
        assert ls.load_fit(out / "fit.nc").spec.skills == 3

    @pytest.mark.usefixtures("quiet_figures")
    def test_quick_says_that_it_is_not_to_be_trusted(
        self, tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["demo", "--out", str(tmp_path), "--quick", "--family", "pythia"]) == 0
        assert asked["draws"] < 1000
        assert "with so few draws nothing below is to be trusted." in capsys.readouterr().out

    def test_unknown_family(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["demo", "--out", str(tmp_path), "--family", "qwen3"]) == 2
        assert "'qwen3'" in capsys.readouterr().err


class TestHoldOut:
    def test_the_smallest_base_llm_is_known_and_the_rest_is_truth(self) -> None:
        table = ls.load_leaderboard()
        held_out = demo.hold_out(table, "qwen2")
        assert held_out.llms["llm"].tolist() == [
            "Qwen/Qwen2-0.5B",
            "Qwen/Qwen2-1.5B",
            "Qwen/Qwen2-7B",
            "Qwen/Qwen2-57B-A14B",
            "Qwen/Qwen2-72B",
        ]
        assert set(held_out.known["llm"]) == {"Qwen/Qwen2-0.5B"}
        assert "Qwen/Qwen2-0.5B" not in set(held_out.truth["llm"])
        assert not held_out.training.llms["family"].isin(["qwen2"]).any()
        kept = held_out.training.n_obs + len(held_out.known) + len(held_out.truth)
        assert kept < table.n_obs  # the family's tuned recipes are in neither part

    def test_a_family_of_one(self) -> None:
        table = ls.load_leaderboard().select(families=["amber", "qwen2", "yi"])
        with pytest.raises(TableError) as caught:
            demo.hold_out(table, "amber")
        assert str(caught.value) == (
            "The family 'amber' has 1 base LLM with scores and known features, and the demo needs "
            "one whose scores are known and others to predict. Use one of 'qwen2', 'yi'."
        )

    def test_comparison_is_in_points(self) -> None:
        held_out = demo.hold_out(ls.load_leaderboard(), "qwen2")
        fit = fake_fit(draws=100, table=held_out.training)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PredictionWarning)  # these draws fit nothing well
            prediction = demo.predict_held_out(fit, held_out)
        frame = demo.compared(prediction, held_out.truth)
        assert len(frame) == len(held_out.truth)
        truth = held_out.truth.set_index(["llm", "benchmark"])["score"]
        cells = list(zip(frame["llm"], frame["benchmark"], strict=True))
        assert frame["truth"].tolist() == [100 * truth[cell] for cell in cells]
        inside = (frame["lower"] <= frame["truth"]) & (frame["truth"] <= frame["upper"])
        assert inside.tolist() == frame["inside"].tolist()

    def test_quick_demo_keeps_quiet_about_convergence(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fit(model: ScalingModel, **_settings: Any) -> ls.ScalingFit:
            warnings.warn("not yet", ConvergenceWarning, stacklevel=2)
            return fake_fit(skills=1, draws=10, table=model.table)

        monkeypatch.setattr(ScalingModel, "fit", fit)
        table = ls.load_leaderboard().select(families=["pythia", "yi"])
        demo._fit_the_rest(table, quick=True, seed=1)
        with pytest.warns(ConvergenceWarning, match="not yet"):
            demo._fit_the_rest(table, quick=False, seed=1)
        assert "seconds" in capsys.readouterr().out
