"""The draw of a round's committee: sortition that anybody can recompute from one block digest.

Validators are ranked by SHA-256 of (digest, task, round, validator). The digest is that of the block before the one
that draws: the closing block, unless more actions than a block may carry out were due at once, which puts the draw off.
A proposer may grind the digest and gains nothing: f+1 equal attestations decide, so an honest member has recomputed
the model whatever the draw.
"""

from collections.abc import Iterable

from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.quantities import RoundNumber, ValidatorId
from ledger.validators import ValidatorSet


def smallest(validators: ValidatorSet) -> int:
    """Return the fewest members, 2f+1: f may be silent and f+1 equal attestations are still to be had."""
    return 2 * validators.faulty_max + 1


def draw(
    validators: Iterable[ValidatorId], *, size: int, digest: Digest, task: str, round_number: RoundNumber
) -> tuple[ValidatorId, ...]:
    """Return the first `size` of `validators` by rank."""
    ranked = sorted(validators, key=lambda validator: sha256(encode((digest, task, round_number, validator))))
    return tuple(ranked[:size])
