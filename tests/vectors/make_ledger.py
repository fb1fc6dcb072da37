"""Writes `ledger.json`: frozen bytes, digests and signatures of the ledger.

    python -m tests.vectors.make_ledger

Another implementation can be checked against that file alone. Write it anew only for a deliberate change of the wire
format, which is a new protocol version for every chain that runs.
"""

import json
from pathlib import Path

from ledger import merkle, state_keys
from ledger.approvals import proposal_of
from ledger.encoding import Noun, Purpose, encode, encode_integer, signing_bytes
from ledger.hashing import sha256
from ledger.keys import SigningKey
from ledger.quantities import Era, Height, ModelVersion, ParticipantId, RoundNumber, TimeMs, ValidatorId
from ledger.rendering import Plain, plain
from ledger.state_tree import path_of, position
from ledger.tasks import rule_digest
from tests.ledger.helpers import digest, key
from tests.vectors.ledger_evidence import OFFENCE
from tests.vectors.ledger_nouns import (
    ATTEST,
    BODIES,
    BUNDLE,
    CHAIN,
    CHANGES,
    ENTRIES,
    GENESIS,
    HEADER,
    HOLD,
    LAYOUT,
    PROPOSED,
    RECORDS,
    SPEC,
    STATE,
    STATE_ROOT,
    TRANSACTION,
    statements,
)
from tests.vectors.ledger_records import records

FILE = Path(__file__).with_name("ledger.json")
ABOUT = "Canonical bytes of the ledger in hexadecimal; `value` shows fields, `signing_bytes` what a signature covers."


def every_noun() -> list[Noun]:
    """Return at least one value of every noun of the ledger."""
    return [*statements(), *records()]


def vectors() -> dict[str, Plain]:
    """Return the content of the file."""
    return {
        "about": ABOUT,
        "nouns": _nouns(),
        "signatures": _signatures(),
        "digests": _digests(),
        "integers": {str(value): encode_integer(value).hex() for value in (0, 1, 255, 256, 2**63, 2**64, 2**255)},
        "merkle": _merkle(),
        "state_keys": _state_keys(),
        "state_tree": _state_tree(),
        "genesis": _genesis(),
    }


def text() -> str:
    """Return the bytes of the file."""
    return json.dumps(vectors(), indent=1) + "\n"


def _nouns() -> list[Plain]:
    seen: dict[str, int] = {}
    found: list[Plain] = []
    for value in every_noun():
        kind = f"{type(value).__module__}.{type(value).__name__}"
        seen[kind] = seen.get(kind, 0) + 1
        data = encode(value)
        found.append(
            {
                "name": f"{type(value).__name__}-{seen[kind]}",
                "type": kind,
                "value": plain(value),
                "bytes": data.hex(),
                "sha256": sha256(data).hex(),
            }
        )
    return found


def _signatures() -> list[Plain]:
    """Return one signature a purpose, each over a payload that the purpose is used for where the ledger has one."""
    bundle_payload = encode((len(BUNDLE.votes), merkle.root(encode(vote) for vote in BUNDLE.votes)))
    payloads: dict[Purpose, tuple[SigningKey, bytes]] = {
        Purpose.TRANSACTION: (key("participant"), encode(TRANSACTION)),
        Purpose.VOTES: (key("vote 1 era 0"), bundle_payload),
        Purpose.HOLD: (key("service 2"), encode(HOLD)),
        Purpose.POSSESSION: (key("service 8"), encode(CHANGES[0])),
        Purpose.APPROVAL: (key("operator 0"), proposal_of(PROPOSED)),
    }
    found: list[Plain] = []
    for purpose in Purpose:
        pair, payload = payloads.get(purpose, (key("any"), b"any payload"))
        found.append(
            {
                "purpose": str(purpose),
                "seed": pair.seed().hex(),
                "public_key": pair.public.hex(),
                "chain_id": CHAIN.hex(),
                "payload": payload.hex(),
                "signing_bytes": signing_bytes(purpose, chain_id=CHAIN, payload=payload).hex(),
                "signature": pair.sign(purpose, payload, chain_id=CHAIN).hex(),
            }
        )
    return found


def _digests() -> dict[str, Plain]:
    digests = {
        "block": HEADER.digest,
        "genesis block": GENESIS.block.digest,
        "transaction id": TRANSACTION.id,
        "layout": LAYOUT.digest,
        "task": SPEC.digest,
        "rule": rule_digest(SPEC),
        "validator set": GENESIS.validators.digest,
        "log leaf of a transaction": ENTRIES[1].leaf,
        "log leaf of an action": ENTRIES[0].leaf,
    }
    return {name: value.hex() for name, value in digests.items()}


def _merkle() -> list[Plain]:
    leaves = [encode(body) for body in (*BODIES, ATTEST)]
    return [
        {
            "leaves": [leaf.hex() for leaf in leaves[:size]],
            "root": merkle.root(leaves[:size]).hex(),
            "paths": [[step.hex() for step in merkle.prove(leaves[:size], index)] for index in range(size)],
        }
        for size in range(len(leaves) + 1)
    ]


def _state_keys() -> dict[str, Plain]:
    task, number = "task-1", RoundNumber(258)
    keys = {
        "parameters": state_keys.PARAMETERS,
        "validators": state_keys.VALIDATORS,
        "era": state_keys.ERA,
        "protocol": state_keys.PROTOCOL,
        "participants_count": state_keys.PARTICIPANTS_COUNT,
        "seats_count": state_keys.SEATS_COUNT,
        "seat": state_keys.seat(ValidatorId(772)),
        "seat_key": state_keys.seat_key(digest("key")),
        "tasks_open": state_keys.TASKS_OPEN,
        "key": state_keys.key(key("participant").public),
        "organisation": state_keys.organisation("org-00"),
        "participant": state_keys.participant(ParticipantId(258)),
        "participant_name": state_keys.participant_name("org-00", "site-1"),
        "used": state_keys.used(Height(258), digest("transaction")),
        "blob": state_keys.blob(digest("blob")),
        "task": state_keys.task(task),
        "round": state_keys.round_(task, number),
        "participation_prefix": state_keys.participation_prefix(task, number),
        "participation": state_keys.participation(task, number, ParticipantId(772)),
        "attestation_prefix": state_keys.attestation_prefix(task, number),
        "attestation": state_keys.attestation(task, number, ValidatorId(772)),
        "model": state_keys.model(task, ModelVersion(258)),
        "evidence_count": state_keys.EVIDENCE_COUNT,
        "past_era": state_keys.past_era(Era(1)),
        "offence": state_keys.offence(OFFENCE),
        "offences_count": state_keys.offences_count(Era(1), ValidatorId(772)),
        "due": state_keys.due(TimeMs(1_750_000_000_000), task, number),
    }
    return {name: value.hex() for name, value in keys.items()}


def _state_tree() -> dict[str, Plain]:
    """Return the tree over the state after genesis, record by record, and some positions."""
    path = path_of(state_keys.PARAMETERS)
    return {
        "state": {name.hex(): value.hex() for name, value in sorted(STATE.items())},
        "root": STATE_ROOT.hex(),
        "records": {place.hex(): record.hex() for place, record in sorted(RECORDS.items()) if record is not None},
        "path": path.hex(),
        "positions": {str(depth): position(depth, path).hex() for depth in (0, 1, 7, 8, 9, 255, 256)},
    }


def _genesis() -> dict[str, Plain]:
    return {
        "file": GENESIS.data.decode(),
        "chain_id": GENESIS.chain_id.hex(),
        "block": encode(GENESIS.block).hex(),
        "block_digest": GENESIS.block.digest.hex(),
    }


if __name__ == "__main__":
    FILE.write_text(text())
