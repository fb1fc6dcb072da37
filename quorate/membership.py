"""Changes of membership as files: made by whoever wants one, approved by operators one after the other, then submitted.

A change file holds a ChangeValidators body and the chain it is for. Nothing in it is secret, nothing of it is trusted:
contracts check it all. Each operator adds an approval on a host of its own, offline.
"""

import time
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ledger.approvals import Approval, proposal_of
from ledger.encoding import decode, encode
from ledger.errors import ConfigurationError, InputError
from ledger.genesis import Genesis, ValidatorDescriptor
from ledger.hashing import Digest
from ledger.keyfile import KeyPurpose
from ledger.keys import SigningKey
from ledger.membership import Change, RegisterLearner, RotateKeys, new_keys, prove_possession
from ledger.parameters import TRANSACTION_BYTES_MAX
from ledger.quantities import Era, TimeMs, ValidatorId
from ledger.transactions import ChangeValidators
from node.home import Home, read_descriptor
from node.keystore import load_key
from node.seat import SEAT_KEYS, keys_of, stage_keys
from participant.consortium import TIMEOUT_SECONDS
from participant.deadline import Deadline
from participant.receipts import Receipt
from participant.session import Session
from quorate.files import read_file

CHANGE_FORMAT = "quorate-change-1"
CHANGE_FILE_BYTES_MAX = 4 * TRANSACTION_BYTES_MAX


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change file as written."""

    format: str
    chain_id: str
    body: str
    """Canonical ChangeValidators, in hexadecimal."""


def read_change(file: Path, genesis: Genesis) -> ChangeValidators:
    """Return the change in a file; raises ConfigurationError for anything else, and for another chain's."""
    data = read_file(file, bytes_max=CHANGE_FILE_BYTES_MAX)
    try:
        document = msgspec.json.decode(data, type=_Document)
        body = decode(bytes.fromhex(document.body), ChangeValidators, bytes_max=TRANSACTION_BYTES_MAX)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, InputError) as error:
        raise ConfigurationError(f"change file {file}", expected=f"a {CHANGE_FORMAT}", got=error) from None
    found = (document.format, document.chain_id)
    if found != (CHANGE_FORMAT, genesis.chain_id.hex()):
        expected = f"{CHANGE_FORMAT} for chain {genesis.chain_id.hex()}"
        raise ConfigurationError(f"change file {file}", expected=expected, got=" for chain ".join(found))
    return body


def change_file(body: ChangeValidators, genesis: Genesis) -> bytes:
    """Return the content of a change file."""
    document = _Document(format=CHANGE_FORMAT, chain_id=genesis.chain_id.hex(), body=encode(body).hex())
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def proposed(change: Change, era: Era) -> ChangeValidators:
    """Return a change that names no keys, for approval."""
    return ChangeValidators(era=era, change=change, possession=(), approvals=())


def registration(home: Home, genesis: Genesis, era: Era, *, joins: bool) -> ChangeValidators:
    """Return the change that registers the node of a home as a learner; its organisation `joins` by it, or is a member.

    Raises ConfigurationError, InputError, InvalidSignature for what is no home of a validator.
    """
    descriptor = read_descriptor(home.descriptor)
    operator = home.load_key(KeyPurpose.OPERATOR)
    change = RegisterLearner(
        organisation=descriptor.organisation,
        operator_key=operator.public if joins else None,
        keys=keys_of(_only(descriptor.validators, home)),
    )
    held = [home.load_key(purpose) for purpose in SEAT_KEYS] + ([operator] if joins else [])
    return _with_proofs(change, era, held, genesis.chain_id)


def rotation(
    home: Home, genesis: Genesis, era: Era, *, validator: ValidatorId, vote_key_only: bool
) -> ChangeValidators:
    """Make new keys in a home, and return the change that brings them into force; raises as `registration`."""
    here = _only(read_descriptor(home.descriptor).validators, home)
    now = TimeMs(time.time_ns() // 1_000_000)
    keys = stage_keys(
        home, link_address=here.link_address, rest_url=here.rest_url, now=now, vote_key_only=vote_key_only
    )
    files = {purpose: (home.staged_key(purpose), home.key(purpose)) for purpose in SEAT_KEYS}
    held = [load_key(next(file for file in both if file.exists()), purpose) for purpose, both in files.items()]
    return _with_proofs(RotateKeys(validator=validator, keys=keys), era, held, genesis.chain_id)


def with_approval(body: ChangeValidators, key: SigningKey, chain_id: Digest) -> ChangeValidators:
    """Return the change with an operator's approval; once more is no error."""
    others = [approval for approval in body.approvals if approval.key != key.public]
    approval = Approval.sign(proposal_of(body), key, chain_id=chain_id)
    return replace(body, approvals=tuple(sorted([*others, approval], key=lambda it: it.key)))


def submit_change(body: ChangeValidators, *, node: str, genesis: Genesis, key: SigningKey) -> Receipt:
    """Submit a change, signed by any key on chain; raises NodeRefused, NoNodeAnswered."""
    session, deadline = Session(nodes=[node], genesis=genesis, key=key), Deadline(TIMEOUT_SECONDS)
    try:
        return session.submit(session.sign(body, deadline=deadline), deadline=deadline)
    finally:
        session.close()


def _with_proofs(change: Change, era: Era, keys: list[SigningKey], chain_id: Digest) -> ChangeValidators:
    held = {key.public: key for key in keys}
    proofs = tuple(prove_possession(change, held[key], chain_id=chain_id) for key in new_keys(change))
    return ChangeValidators(era=era, change=change, possession=proofs, approvals=())


def _only(validators: tuple[ValidatorDescriptor, ...], home: Home) -> ValidatorDescriptor:
    if len(validators) != 1:
        raise ConfigurationError(f"descriptor {home.descriptor}", expected="one validator", got=len(validators))
    return validators[0]
