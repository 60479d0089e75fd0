"""The score table: who scored what on which benchmark, validated and frozen."""

from latentscale.table.choice import developer_or_own, llms_with, scored_llms
from latentscale.table.new_llms import table_of_new_llms
from latentscale.table.score_table import ScoreTable

__all__ = ["ScoreTable", "developer_or_own", "llms_with", "scored_llms", "table_of_new_llms"]
