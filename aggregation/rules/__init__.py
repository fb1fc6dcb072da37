"""Aggregation rules, one file each: definition, symbols, paper, what it tolerates, example.

A rule sees one block of columns at a time, all inputs as rows in order of participant number, and gives the combined
values and how much each input counted. The table is literal: an unknown rule is an error when it is looked up.
"""

from collections.abc import Callable, Mapping

from aggregation.rules.mean import WeightedMean
from aggregation.rules.shape import AggregationRule
from aggregation.rules.trimmed_mean import CoordinateTrimmedMean
from ledger.tasks import Mean, Rule, TrimmedMean

RULES: Mapping[type[Rule], Callable[[tuple[int, ...], int], AggregationRule]] = {
    Mean: WeightedMean,
    TrimmedMean: CoordinateTrimmedMean,
}
"""From a rule's noun to what makes it for given weights and b; that raises InvalidInputs for what it cannot take."""
