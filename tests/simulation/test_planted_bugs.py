"""Every directed test finds the bug that it is meant for."""

from collections.abc import Callable

import pytest

from tests.consensus import test_changing, test_four_views, test_safety_views
from tests.simulation import chain, planted, test_equivocation

DIRECTED: dict[str, tuple[planted.Plant, Callable[[], None]]] = {
    "NEW-VIEW takes the lowest view": (
        planted.lowest_view_wins,
        test_four_views.test_the_highest_view_wins_over_what_a_replica_holds_that_was_cut_off,
    ),
    "quorum of 2f": (
        planted.quorum_of_2f,
        lambda: test_equivocation.test_an_equivocating_primary_splits_nobody(4, frozenset({0})),
    ),
    "commit without the prefix rule": (
        planted.commit_without_the_prefix_rule,
        test_four_views.test_commit_without_the_prefix_would_lose_a_decided_block,
    ),
    "prefix from another view": (
        planted.prefix_from_another_view,
        test_four_views.test_prefix_from_another_view_a_commit_of_the_parent_in_an_earlier_view_carries_no_child,
    ),
    "vote at or below the base": (
        planted.votes_at_or_below_the_base,
        test_four_views.test_a_vote_at_the_base_would_let_an_old_height_be_decided_again,
    ),
    "next-height-only append": (
        planted.next_height_only,
        test_four_views.test_a_certificate_of_a_height_finalises_what_is_below_although_that_has_none,
    ),
    "certificate mixed over views": (
        planted.certificate_mixed_over_views,
        test_four_views.test_mixed_views_commits_of_two_views_for_one_block_certify_nothing,
    ),
    "new view keeps a block above a gap": (
        planted.block_above_a_gap_kept,
        test_four_views.test_a_block_above_a_gap_is_not_kept_even_if_its_view_is_the_highest,
    ),
    "second view change dropped": (
        planted.second_view_change_dropped,
        test_changing.test_a_view_change_other_than_the_one_that_new_view_names_locks_nobody_out,
    ),
    "votes that were not sealed kept when the view is left": (
        planted.votes_in_a_view_that_was_left,
        lambda: test_safety_views.test_votes_that_were_not_sealed_are_dropped_when_the_view_is_left(False),  # noqa: FBT003
    ),
}


@pytest.mark.parametrize("name", DIRECTED)
def test_the_directed_test_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, directed = DIRECTED[name]
    directed()
    plant(monkeypatch)
    monkeypatch.setattr(chain, "_SETS", {})  # sets that were made before know the right quorum
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        directed()
