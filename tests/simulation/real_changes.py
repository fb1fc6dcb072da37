"""Changes of the validator set over the real stack: signed transactions, with the approvals and proofs they must have.

A change is approved for one era. Which one that is follows from when callers bring it; whenever it comes to be decided
in another, it is refused on chain, as an operator's would be.
"""

from collections.abc import Sequence
from dataclasses import replace

from ledger.encoding import encode
from ledger.hashing import sha256
from ledger.membership import AddValidator, Change, RemoveValidator, RotateKeys
from ledger.quantities import Height, ValidatorId
from ledger.transactions import SignedTransaction, Transaction
from tests.consortium import Consortium, signing_key
from tests.membership import carried, learner, proposal, seat_keys
from tests.simulation.chain import ADD, REMOVE, ROTATE, remember_key
from tests.simulation.shapes import Errand

REGISTER = b"*"
"""An item that makes a node a learner, which must come before it is given a vote."""
CHANGES = (ADD, REMOVE, ROTATE)
KINDS = (*CHANGES, REGISTER)
REGISTERED_SECONDS = 1.5
"""Before that nobody is given a vote: the registration is to be decided first."""


def dated(errands: Sequence[Errand], *, size: int) -> tuple[Errand, ...]:
    """Return the same errands, with changes made for the era in which they should come, and learners registered first.

    Only the first learner gets in: numbers are given on chain in the order of registration, which chance decides.
    """
    wanted = [
        replace(errand, at=max(errand.at, REGISTERED_SECONDS)) if errand.item[:1] == ADD else errand
        for errand in errands
        if errand.item[:1] != ADD or int(errand.item[1:]) == size
    ]
    changes = sorted((errand for errand in wanted if errand.item[:1] in CHANGES), key=lambda errand: errand.at)
    eras = {errand.item: era for era, errand in enumerate(changes)}
    found = [
        replace(errand, item=b"%s@%d" % (errand.item, eras[errand.item])) if errand.item in eras else errand
        for errand in wanted
    ]
    if any(errand.item[:1] == ADD for errand in wanted):
        found.append(Errand(item=b"%s%d@0" % (REGISTER, size), at=0.0))
    return tuple(found)


def change_transaction(members: Consortium, item: bytes, *, valid_until: int) -> bytes:
    """Return the transaction of an item such as `~2@1`: rotate the keys of 2, approved for era 1."""
    kind, number, era = item[:1], *map(int, item[1:].split(b"@"))
    change, names = _change(members, kind, ValidatorId(number), era)
    chain_id = members.genesis.chain_id
    body = carried(proposal(change, *names, chain_id=chain_id, era=era), members.operators.values(), chain_id=chain_id)
    author = members.operators[members.organisations[0]]
    transaction = Transaction(
        chain_id=chain_id,
        author=author.public,
        nonce=sha256(item)[:16],
        valid_until=Height(valid_until),
        body=body,
    )
    return encode(SignedTransaction.sign(transaction, author))


def learner_name(number: int) -> str:
    """Return by what name the keys of a node are found that is not in genesis."""
    return f"learner-{number:02}"


def _change(members: Consortium, kind: bytes, number: ValidatorId, era: int) -> tuple[Change, list[str]]:
    """Return the change, and by what names its new keys are found."""
    if kind == REGISTER:
        name = learner_name(number)
        return learner(members.organisations[0], name), [name]
    if kind == ADD:
        return AddValidator(learner=number), []
    if kind == REMOVE:
        return RemoveValidator(validator=number), []
    name = f"rotated-{number:02}-{era}"
    remember_key(signing_key(f"{name}/vote"))
    return RotateKeys(validator=number, keys=seat_keys(name)), [name]
