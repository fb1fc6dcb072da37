"""The frozen digests of tests/vectors/aggregation.json."""

import json

import pytest

from tests.vectors.make_aggregation import PATH, vectors

FROZEN = json.loads(PATH.read_bytes())


@pytest.mark.parametrize("part", FROZEN)
def test_digests_are_the_frozen_ones(part: str) -> None:
    assert vectors()[part] == FROZEN[part]


def test_nothing_is_left_out_of_the_file() -> None:
    assert list(vectors()) == list(FROZEN)
