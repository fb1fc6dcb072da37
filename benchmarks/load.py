"""What is submitted: signed transactions of 256 bytes, made before the clock starts."""

import itertools
import secrets
from collections.abc import Iterator, Mapping

from ledger.encoding import encode
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.keys import PublicKey, SigningKey
from ledger.quantities import Height, RoundNumber
from ledger.transactions import NONCE_BYTES, Body, EnrolParticipant, SignedTransaction, SubmitUpdate, Transaction

TRANSACTION_BYTES = 256
VALID_UNTIL = Height(9_000)


def updates(genesis: Genesis, authors: Mapping[str, SigningKey]) -> Iterator[bytes]:
    """Yield updates for a task that does not exist: judged, refused (U1), recorded; one key of state each."""
    for number, key in enumerate(itertools.cycle(authors.values())):
        body = SubmitUpdate(
            task="benchmark-task",
            round=RoundNumber(1_000),
            base=Digest(bytes(32)),
            blob=Digest(number.to_bytes(32, "big")),
            examples=100_000,
        )
        yield _signed(genesis, key, body)


def enrolments(genesis: Genesis, authors: Mapping[str, SigningKey]) -> Iterator[bytes]:
    """Yield enrolments that are accepted: five keys of state each."""
    for number, (name, key) in enumerate(itertools.cycle(authors.items())):
        site = f"training-site-of-the-benchmark-with-a-long-name-{number:09}"
        yield _signed(
            genesis, key, EnrolParticipant(organisation=name, name=site, key=PublicKey(secrets.token_bytes(32)))
        )


def _signed(genesis: Genesis, key: SigningKey, body: Body) -> bytes:
    transaction = Transaction(
        chain_id=genesis.chain_id,
        author=key.public,
        nonce=secrets.token_bytes(NONCE_BYTES),
        valid_until=VALID_UNTIL,
        body=body,
    )
    return encode(SignedTransaction.sign(transaction, key))
