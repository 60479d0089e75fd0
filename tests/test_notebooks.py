"""The notebooks run from top to bottom."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS] == [
        "01_quickstart.ipynb",
        "02_how_good_are_predictions.ipynb",
        "03_design_choices.ipynb",
        "04_your_own_table.ipynb",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": path.parent}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_was_executed(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert not any(out.output_type == "error" for cell in cells for out in cell.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_plot_is_shown(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    plots = [cell for cell in cells if cell.source.splitlines()[-1].startswith("ls.plots.")]
    assert plots
    for cell in plots:
        shown = {kind for out in cell.outputs for kind in out.get("data", {})}
        assert "image/png" in shown, cell.source
