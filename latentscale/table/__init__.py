"""The score table: who scored what on which benchmark, validated and frozen."""

from latentscale.table.new_llms import table_of_new_llms
from latentscale.table.score_table import ScoreTable

__all__ = ["ScoreTable", "table_of_new_llms"]
