"""A node's seat: which number the chain gives its keys, and how rotated keys come into force.

Keys for a rotation are made beside the present ones (`keys/next`). They take their places once the chain records them,
at the boundary block or at the next start; the present ones are gone then.
"""

from pathlib import Path

from contracts import queries
from ledger.errors import ConfigurationError
from ledger.genesis import Genesis, ValidatorDescriptor
from ledger.keys import PublicKey
from ledger.membership import SeatKeys
from ledger.quantities import TimeMs, ValidatorId
from ledger.state import StateView
from ledger.validators import Validator
from node.home import Home
from node.keystore import PRIVATE_MODE, KeyPurpose, create_key, load_key, read_private, write_private
from node.runtime.membership import Membership
from node.storage.files import disk, sync_directory
from node.transport.certificates import certificate_in, make_link_credential

SEAT_KEYS = (KeyPurpose.VOTE, KeyPurpose.SERVICE, KeyPurpose.LOG_HEAD)
"""Keys of a validator, in the order of proofs of possession."""


def take_seat(home: Home, genesis: Genesis, state: StateView) -> Membership:
    """Return this node's place by the state, after putting in force the staged keys that the state records.

    Each file moves by itself, so a crash in between is made good by the next call. The old keys are gone then; that the
    old vote key has voted is noted first, so that nobody takes the new one for it. Raises ConfigurationError.
    """
    number = _number(home, state)
    seat = None if number is None else queries.seat(state, number)
    if seat is not None:
        _adopt(home, seat.member)
    service = home.load_key(KeyPurpose.SERVICE)
    organisation = None if seat is None else seat.member.organisation
    return Membership(genesis=genesis, validator=number, organisation=organisation, service_key=service)


def used_vote_key(home: Home) -> str | None:
    """Return the public key that the vote log is of, in hexadecimal; None if none has one yet."""
    try:
        return home.vote_key_used.read_text(encoding="ascii")
    except FileNotFoundError:
        return None


def note_used_vote_key(home: Home, public: PublicKey) -> None:
    """Note, durably, that a vote key has a vote log from now on."""
    with disk(f"note of a used vote key {home.vote_key_used}"):
        fresh = home.vote_key_used.with_suffix(".new")
        fresh.write_text(public.hex(), encoding="ascii")
        fresh.chmod(PRIVATE_MODE)
        fresh.replace(home.vote_key_used)
        sync_directory(home.vote_key_used.parent)


def keys_of(descriptor: ValidatorDescriptor) -> SeatKeys:
    """Return the keys and addresses that a descriptor names."""
    return SeatKeys(
        vote_key=PublicKey(bytes.fromhex(descriptor.vote_key)),
        service_key=PublicKey(bytes.fromhex(descriptor.service_key)),
        log_head_key=PublicKey(bytes.fromhex(descriptor.log_head_key)),
        link_certificate=bytes.fromhex(descriptor.link_certificate),
        link_address=descriptor.link_address,
        rest_url=descriptor.rest_url,
    )


def stage_keys(home: Home, *, link_address: str, rest_url: str, now: TimeMs, vote_key_only: bool = False) -> SeatKeys:
    """Make keys for a rotation, all or the vote key alone, and return what the validator is to have then.

    Raises ConfigurationError if some are staged already: they may be on their way to the chain.
    """
    if home.staged.exists() and any(home.staged.iterdir()):
        raise ConfigurationError("keys for a rotation", expected="none yet", got=f"some in {home.staged}")
    staged = (KeyPurpose.VOTE,) if vote_key_only else SEAT_KEYS
    made = {purpose: create_key(home.staged_key(purpose), purpose).public for purpose in staged}
    vote, service, log_head = (made.get(purpose) or home.load_key(purpose).public for purpose in SEAT_KEYS)
    certificate = certificate_in(read_private(home.link_credential))
    if not vote_key_only:
        credential = make_link_credential(home.organisation, now=now)
        write_private(home.staged_credential, credential.pem)
        certificate = credential.certificate
    return SeatKeys(
        vote_key=vote,
        service_key=service,
        log_head_key=log_head,
        link_certificate=certificate,
        link_address=link_address,
        rest_url=rest_url,
    )


def _number(home: Home, state: StateView) -> ValidatorId | None:
    for key in (home.key, home.staged_key):
        for purpose in SEAT_KEYS:
            path = key(purpose)
            number = queries.seat_of_key(state, load_key(path, purpose).public) if path.exists() else None
            if number is not None:
                return number
    return None


def _adopt(home: Home, member: Validator) -> None:
    recorded = (member.vote_key, member.service_key, member.log_head_key)
    moves = [(home.staged_key(purpose), home.key(purpose)) for purpose in SEAT_KEYS]
    for purpose, public, (staged, current) in zip(SEAT_KEYS, recorded, moves, strict=True):
        if staged.exists() and load_key(staged, purpose).public == public:
            if purpose is KeyPurpose.VOTE and not used_vote_key(home):  # a restored home is marked without a name
                note_used_vote_key(home, home.load_key(KeyPurpose.VOTE).public)
            _move(staged, current)
    staged = home.staged_credential
    if staged.exists() and certificate_in(read_private(staged)) == member.link_certificate:
        _move(staged, home.link_credential)


def _move(staged: Path, current: Path) -> None:
    with disk(f"key file {current}"):
        staged.replace(current)
        sync_directory(current.parent)
