"""What the demo claims, each with what it came to; a claim that was never shown has not held."""

from dataclasses import dataclass
from enum import StrEnum

from quorate.demo.script import ABSENT_ROUND, NORM_MAX, ROUNDS


class Claim(StrEnum):
    """Everything that must have held for exit code 0, in the order of the story."""

    TOO_LONG = f"an update over the norm bound of {NORM_MAX} is refused by a contract, rule U12"
    ADMITTED = "sign-flipped updates inside the bound are admitted by the contracts"
    FAILOVER = "the SDK moves to another node where the one it asks is down"
    VIEW_CHANGE = "the others change the view and go on without the killed primary"
    CAUGHT_UP = "the killed validator catches up and votes again"
    ABSENT = f"who misses round {ABSENT_ROUND} is recorded as absent, and the round closes at its deadline"
    ALL_ROUNDS = f"all {ROUNDS} rounds make a global model"
    NEUTRALISED = "the attack is neutralised: far above plain averaging, close to centralised training"
    VERIFIED = f"the exported chain verifies from genesis, all {ROUNDS} global models recomputed bit for bit"
    BLOCK_TAMPERED = "one changed byte in a copy of a block is detected"
    BLOB_TAMPERED = "one changed byte in a copy of a blob is detected"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a claim came to."""

    held: bool
    detail: str


class Verdict:
    """All claims and what was shown of them."""

    def __init__(self) -> None:
        self._shown: dict[Claim, Shown] = {}

    def show(self, claim: Claim, *, held: bool, detail: str) -> None:
        """Note what a claim came to; where it is shown more than once, it must hold each time."""
        earlier = self._shown.get(claim)
        if earlier is None or earlier.held:
            self._shown[claim] = Shown(held, detail)

    def rows(self) -> list[tuple[Claim, Shown]]:
        """Return every claim, those that were never shown as not held."""
        return [(claim, self._shown.get(claim, Shown(held=False, detail="never shown"))) for claim in Claim]

    @property
    def holds(self) -> bool:
        """Whether every claim was shown and held."""
        return all(shown.held for _, shown in self.rows())
