"""What a run is about: validators whose keys follow from their numbers, their genesis, and its era."""

from consensus.messages import Choice
from consensus.new_view import EraContext
from ledger import merkle
from ledger.blocks import BlockHeader
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.keys import PublicKey, SigningKey
from ledger.quantities import Era, Height, TimeMs, ValidatorId
from ledger.validators import Validator, ValidatorSet

EPOCH_MS = 1_700_000_000_000
"""Wall clock at the beginning of every run."""


def vote_key(number: int) -> SigningKey:
    """Return the vote key of a validator."""
    return SigningKey(sha256(f"vote key {number}".encode()))


def validator_set(size: int) -> ValidatorSet:
    """Return validators 0 to size - 1."""
    return ValidatorSet(tuple(_validator(number) for number in range(size)))


def era_context(size: int, *, window: int = 1) -> EraContext:
    """Return what everything of the first era is checked against."""
    genesis = genesis_header(validator_set(size))
    root = Choice(height=Height(0), digest=genesis.digest)
    return EraContext(chain_id=genesis.chain_id, era=Era(0), validators=validator_set(size), root=root, window=window)


def genesis_header(validators: ValidatorSet) -> BlockHeader:
    """Return block 0, a while before the run begins."""
    return BlockHeader(
        protocol=1,
        chain_id=sha256(b"simulation"),
        era=Era(0),
        height=Height(0),
        parent=ZERO_DIGEST,
        time=TimeMs(EPOCH_MS - 10_000),
        proposer=ValidatorId(0),
        transactions_root=merkle.EMPTY_ROOT,
        receipts_root=merkle.EMPTY_ROOT,
        state_root=ZERO_DIGEST,
        log_size=0,
        log_root=merkle.EMPTY_ROOT,
        validators=validators.digest,
        next_validators=validators.digest,
    )


def _validator(number: int) -> Validator:
    return Validator(
        id=ValidatorId(number),
        organisation=f"organisation-{number}",
        vote_key=vote_key(number).public,
        service_key=PublicKey(sha256(f"service key {number}".encode())),
        log_head_key=PublicKey(sha256(f"log-head key {number}".encode())),
        link_certificate=bytes(64),
    )
