"""A decision about the protocol version as a file that goes from operator to operator, until a quorum has approved it.

The file is JSON, so that every operator can read what it signs; it names the chain, and its bytes carry no authority
but the signatures in them.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from ledger.approvals import Approval, proposal_of
from ledger.errors import ConfigurationError, InputError
from ledger.genesis import Genesis, HexKey, HexSignature
from ledger.keys import PublicKey, Signature, SigningKey
from ledger.quantities import U63, VALIDATORS_MAX, Height
from ledger.transactions import ActivateProtocol
from participant.consortium import TIMEOUT_SECONDS
from participant.deadline import Deadline
from participant.receipts import Receipt
from participant.session import Session
from quorate.files import read_file

FORMAT = "quorate-protocol-1"
FILE_BYTES_MAX = 2**20


class _ApprovalText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key: HexKey
    signature: HexSignature


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    chain_id: HexKey
    serial: U63
    version: U63
    height: U63
    approvals: Annotated[tuple[_ApprovalText, ...], Meta(max_length=VALIDATORS_MAX)]


def decision_file(body: ActivateProtocol, genesis: Genesis) -> bytes:
    """Return the bytes of the file."""
    document = _Document(
        format=FORMAT,
        chain_id=genesis.chain_id.hex(),
        serial=body.serial,
        version=body.version,
        height=body.height,
        approvals=tuple(
            _ApprovalText(key=approval.key.hex(), signature=approval.signature.hex()) for approval in body.approvals
        ),
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def read_decision(file: Path, genesis: Genesis) -> ActivateProtocol:
    """Read a decision of this chain with its approvals, each verified; raises ConfigurationError, InvalidSignature."""
    try:
        document = msgspec.json.decode(read_file(file, bytes_max=FILE_BYTES_MAX), type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is no decision about the protocol: {error}") from None
    expected, got = (FORMAT, genesis.chain_id.hex()), (document.format, document.chain_id)
    if got != expected:
        raise ConfigurationError(f"format and chain id of {file}", expected=expected, got=got)
    body = ActivateProtocol(
        serial=document.serial,
        version=document.version,
        height=Height(document.height),
        approvals=tuple(
            Approval(key=PublicKey(bytes.fromhex(it.key)), signature=Signature(bytes.fromhex(it.signature)))
            for it in document.approvals
        ),
    )
    for approval in body.approvals:
        approval.verify(proposal_of(body), chain_id=genesis.chain_id)
    return body


def with_approval(body: ActivateProtocol, key: SigningKey, genesis: Genesis) -> ActivateProtocol:
    """Return the decision with one more approval; raises InputError for a second one by the same key."""
    if key.public in {approval.key for approval in body.approvals}:
        raise InputError("approval", expected="a key that has not approved yet", got=key.public.hex())
    added = Approval.sign(proposal_of(body), key, chain_id=genesis.chain_id)
    return replace(body, approvals=tuple(sorted((*body.approvals, added), key=lambda approval: approval.key)))


def submit_decision(body: ActivateProtocol, *, node: str, genesis: Genesis, key: SigningKey) -> Receipt:
    """Submit a decision, signed by any key on chain, and return its verified receipt."""
    session, deadline = Session(nodes=[node], genesis=genesis, key=key), Deadline(TIMEOUT_SECONDS)
    try:
        return session.submit(session.sign(body, deadline=deadline), deadline=deadline)
    finally:
        session.close()
