"""Every interleaving within bounds: nothing is broken in any state, and what is planted is found in one."""

import pytest

from tests.simulation import chain, planted
from tests.simulation.exhaustive import CASES, Search
from tests.simulation.violation import Violation

STATES = {"silent backup, one gives up": 1_000}
"""At least so many there are: a search that stops early proves nothing."""


@pytest.mark.parametrize("name", STATES)
def test_no_state_breaks_a_promise(name: str) -> None:
    search = Search(CASES[name])
    assert search.run()
    assert search.states > STATES[name]
    assert search.healed


def test_a_second_view_is_entered_and_decides_in_some_states() -> None:
    search = Search(CASES["silent primary, two views"])
    assert search.run()
    assert search.states > 2_000
    reached = [local for states in search.locals.values() for local in states]
    assert any(local.view == 1 and local.decided for local in reached)


def test_a_planted_bug_is_found_in_some_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_SETS", {})  # sets that were made before know the right quorum
    planted.quorum_of_2f(monkeypatch)
    with pytest.raises(Violation, match=r"agreement[^\n]*\n  0 decides"):
        Search(CASES["lying primary, one view"]).run(states_max=30_000)
