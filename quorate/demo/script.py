"""The demo's plot: what is agreed on, and what happens in which round."""

TASK = "breast-cancer"
CHAIN = "oncology-demo"
ROUNDS = 8
NORM_MAX = 2.0
"""Bound on an update's l2 norm: several times what honest training gives here."""
DEADLINE_MS = 8_000
"""Only the round with the absentee lasts so long; the others close once all have taken part, on a busy machine too."""
ATTEMPT_MS = 10_000
COMMITTEE = 3
FAULTY_MAX = 1
"""b: hostile hospitals that the trimmed mean is to tolerate."""
UPDATES_MIN = 3

TOO_LONG_ROUND = 1
"""Round in which the hostile hospital first tries an update over the norm bound."""
TOO_LONG = 2.0
"""How many times too long that is: every value of it stays on the layout's grid, so that the norm alone is at fault."""
KILL_ROUND = 3
RESTART_ROUND = 5
ABSENT_ROUND = 6

PATIENCE_SECONDS = 120.0
"""Far longer than anything takes: after it the demo gives up and says so."""
SITE_SECONDS = 60.0
"""How long a site waits for a round to open."""


def seed_of(hospital: str, number: int) -> int:
    """Return the seed of a hospital's training in a round, so that every run of the demo trains alike."""
    return number * 1_000 + sum(hospital.encode())
