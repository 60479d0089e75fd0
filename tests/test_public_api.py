"""The public names, and what importing the package costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import latentscale as ls

PUBLIC = [
    "Backtest",
    "Comparison",
    "Prediction",
    "Prior",
    "ScalingFit",
    "ScalingModel",
    "ScoreTable",
    "__version__",
    "backtest",
    "baselines",
    "compare",
    "errors",
    "list_datasets",
    "load_fit",
    "load_leaderboard",
    "load_subtasks",
    "plots",
    "relative_gain",
    "simulate",
    "splits",
]


def test_the_public_names():
    assert ls.__all__ == PUBLIC
    assert dir(ls) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_can_be_had(name):
    assert getattr(ls, name) is not None


def test_names_lead_to_what_they_say():
    from latentscale.catalog import load_leaderboard
    from latentscale.model import ScalingModel
    from latentscale.simulation import simulate
    from latentscale.table import ScoreTable

    assert ls.ScalingModel is ScalingModel
    assert ls.ScoreTable is ScoreTable
    assert ls.load_leaderboard is load_leaderboard
    assert ls.simulate is simulate
    assert ls.errors.LatentScaleError.__module__ == "latentscale.errors"


def test_an_unknown_name():
    with pytest.raises(AttributeError) as caught:
        ls.ScaleModel  # noqa: B018
    assert str(caught.value) == "module 'latentscale' has no attribute 'ScaleModel'"


def in_fresh_interpreter(code):
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


HEAVY = "('pymc', 'pytensor', 'nutpie', 'pandas', 'arviz', 'xarray', 'scipy', 'matplotlib')"


def test_importing_the_package_imports_nothing_heavy():
    code = f"import sys, latentscale; print([m for m in {HEAVY} if m in sys.modules])"
    assert in_fresh_interpreter(code) == "[]"


def test_simulate_is_the_function_however_its_module_was_imported_first():
    code = "import latentscale.simulation, latentscale as ls; print(callable(ls.simulate))"
    assert in_fresh_interpreter(code) == "True"


def test_making_a_model_needs_no_pymc():
    code = (
        "import sys, latentscale as ls; "
        "ls.simulate(n_families=6, benchmarks=4, random_seed=1); "
        "print([m for m in ('pymc', 'pytensor', 'nutpie', 'matplotlib') if m in sys.modules])"
    )
    assert in_fresh_interpreter(code) == "[]"


def test_every_error_and_warning_has_the_packages_root():
    from latentscale import errors

    named = [value for value in vars(errors).values() if isinstance(value, type)]
    ours = [value for value in named if value.__module__ == "latentscale.errors"]
    assert len(ours) == 18
    for kind in ours:
        root = errors.LatentScaleWarning if issubclass(kind, Warning) else errors.LatentScaleError
        assert issubclass(kind, root)
