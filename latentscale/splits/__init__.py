"""Which scores are hidden from a model, and predicted: ways to split a table."""

from latentscale.splits.cells import mask_suite, random_cells
from latentscale.splits.dates import by_date
from latentscale.splits.folds import Split, Splits
from latentscale.splits.groups import (
    hold_out_largest,
    leave_developer_out,
    leave_family_out,
    leave_recipe_out,
    tuned_given_base,
)

__all__ = [
    "Split",
    "Splits",
    "by_date",
    "hold_out_largest",
    "leave_developer_out",
    "leave_family_out",
    "leave_recipe_out",
    "mask_suite",
    "random_cells",
    "tuned_given_base",
]
