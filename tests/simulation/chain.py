"""What a run is about: validators whose keys follow from their numbers, their genesis, and its era."""

from itertools import count

from msgspec.structs import replace

from consensus.messages import Choice
from consensus.new_view import EraContext
from ledger import merkle
from ledger.blocks import BlockHeader
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.keys import PublicKey, SigningKey
from ledger.quantities import VALIDATORS_MAX, VALIDATORS_MIN, Era, Height, TimeMs, ValidatorId
from ledger.validators import Validator, ValidatorSet

EPOCH_MS = 1_700_000_000_000
"""Wall clock at the beginning of every run."""


ADD, REMOVE, ROTATE = b"+", b"-", b"~"
"""An item that begins so and goes on with a number changes the validator set: `+4`, `-2`, `~1` (a new vote key)."""

_SETS: dict[Digest, ValidatorSet] = {}
"""Every set that a chain of this process could have come to, by the digest in headers."""
_KEYS: dict[PublicKey, SigningKey] = {}
"""Vote keys with names of their own."""


def vote_key(number: int, generation: int = 0) -> SigningKey:
    """Return the vote key of a validator, its first one or that after so many rotations."""
    name = f"vote key {number}" if generation == 0 else f"vote key {number}, rotated {generation} times"
    return SigningKey(sha256(name.encode()))


def remember_key(key: SigningKey) -> None:
    """Let a vote key be found that is none of `vote_key`'s."""
    _KEYS[key.public] = key


def key_of(member: Validator) -> SigningKey:
    """Return the vote key that a set names."""
    known = _KEYS.get(member.vote_key)
    if known is not None:
        return known
    turns = (vote_key(member.id, turn) for turn in count())
    return next(key for key in turns if key.public == member.vote_key)


def validator_set(size: int) -> ValidatorSet:
    """Return validators 0 to size - 1."""
    return remember(ValidatorSet(tuple(_validator(number) for number in range(size))))


def set_named(digest: Digest) -> ValidatorSet:
    """Return the set that a header names."""
    return _SETS[digest]


def is_known(digest: Digest) -> bool:
    """Return whether a chain could have come to the set with this digest."""
    return digest in _SETS


def changed(digest: Digest, item: bytes) -> Digest:
    """Return the set after an item: the same one unless it is a change that leaves 4 to 25 validators."""
    if item[:1] not in {ADD, REMOVE, ROTATE} or not item[1:].isdigit() or digest not in _SETS:
        return digest
    members = {member.id: member for member in _SETS[digest].members}
    number = ValidatorId(int(item[1:]))
    if (number in members) is (item[:1] == ADD):
        return digest
    if item[:1] == ADD:
        members[number] = _validator(number)
    elif item[:1] == REMOVE:
        del members[number]
    else:
        turns = (vote_key(number, turn).public for turn in count())
        next(public for public in turns if public == members[number].vote_key)
        members[number] = replace(members[number], vote_key=next(turns))
    if not VALIDATORS_MIN <= len(members) <= VALIDATORS_MAX:
        return digest
    return remember(ValidatorSet(tuple(members[one] for one in sorted(members)))).digest


def next_context(boundary: BlockHeader, *, window: int = 1) -> EraContext:
    """Return what everything of the era after a boundary block is checked against."""
    return EraContext(
        chain_id=boundary.chain_id,
        era=Era(boundary.era + 1),
        validators=set_named(boundary.next_validators),
        root=Choice(height=Height(boundary.height), digest=boundary.digest),
        window=window,
    )


def remember(validators: ValidatorSet) -> ValidatorSet:
    """Let a set be found by what headers name it by."""
    return _SETS.setdefault(validators.digest, validators)


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
