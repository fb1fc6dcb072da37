"""Bad transactions over the wire: each refused by its own code, nothing of it taken in, no node the worse for it."""

from collections.abc import Callable

import pytest

from ledger.encoding import encode
from ledger.keys import Signature
from ledger.parameters import TRANSACTION_BYTES_MAX
from ledger.transactions import EnrolParticipant, SignedTransaction, Transaction, decode_transaction
from tests.acceptance.caller import MSGPACK
from tests.acceptance.network import Network
from tests.acceptance.refusals import refused
from tests.consortium import consortium, signing_key

pytestmark = [
    pytest.mark.processes,
    pytest.mark.usefixtures("unharmed"),
]


def good(network: Network, *, valid_until: int = 5_000) -> SignedTransaction:
    """Return a transaction that would be accepted if it were not spoilt."""
    body = EnrolParticipant(organisation="org-0", name="good", key=signing_key("acceptance/good").public)
    return network.callers[0].sign(network.operator(), body, valid_until=valid_until)


def changed(network: Network, **fields: object) -> SignedTransaction:
    """Return the good one with other fields, signed by its author."""
    honest = good(network).transaction
    known = {name: getattr(honest, name) for name in honest.__struct_fields__}
    return SignedTransaction.sign(Transaction(**{**known, **fields}), network.operator())


def forged(network: Network) -> SignedTransaction:
    """Return the good one with the signature of another."""
    return SignedTransaction(transaction=good(network).transaction, signature=good(network).signature)


def of_stranger(network: Network) -> SignedTransaction:
    """Return one whose author's key is not on chain."""
    return network.callers[0].sign(signing_key("stranger"), good(network).transaction.body)


WRONG: dict[str, tuple[Callable[[Network], SignedTransaction], str, int]] = {
    "signature of another": (forged, "invalid-signature", 403),
    "another chain": (
        lambda network: changed(network, chain_id=consortium().genesis.chain_id),
        "wrong-chain",
        422,
    ),
    "expired": (lambda network: good(network, valid_until=1), "transaction-expired", 422),
    "valid for too long": (lambda network: good(network, valid_until=10**9), "valid-until-too-far", 422),
    "unknown key": (of_stranger, "unknown-key", 403),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_transaction_is_refused_and_not_kept(network: Network, case: str) -> None:
    make, code, status = WRONG[case]
    signed = make(network)
    refused(network.callers[0].post(encode(signed)), code, status=status)
    for caller in network.callers:
        refused(caller.http.get(f"/v1/transactions/{signed.transaction.id.hex()}"), "transaction-unknown", status=404)


def test_a_replay_gets_the_receipt_again_and_is_not_judged_twice(network: Network) -> None:
    body = EnrolParticipant(organisation="org-0", name="replayed", key=signing_key("acceptance/replayed").public)
    raw = encode(network.callers[0].sign(network.operator(), body))
    receipt = network.callers[0].settle(raw)
    assert [caller.settle(raw) for caller in network.callers] == [receipt] * 4
    identity, last = decode_transaction(raw).transaction.id.hex(), network.callers[0].status()["height"]
    blocks = [network.callers[0].json(f"/v1/blocks/{height}") for height in range(last + 1)]
    assert [entry.get("id") for block in blocks for entry in block["entries"]].count(identity) == 1


def test_a_replay_under_another_signature_is_refused(network: Network) -> None:
    body = EnrolParticipant(organisation="org-0", name="resigned", key=signing_key("acceptance/resigned").public)
    signed = network.callers[0].sign(network.operator(), body)
    network.callers[0].settle(encode(signed))
    other = SignedTransaction(transaction=signed.transaction, signature=Signature(bytes(64)))
    refused(network.callers[0].post(encode(other)), "invalid-signature", status=403)


def test_another_byte_form_of_a_good_transaction_is_refused(network: Network) -> None:
    canonical = encode(good(network))
    assert canonical[0] == 0x92
    refused(network.callers[0].post(b"\xdc\x00\x02" + canonical[1:]), "non-canonical-encoding", status=400)


def test_a_transaction_over_the_limit_is_refused(network: Network) -> None:
    found = refused(network.callers[0].post(bytes(TRANSACTION_BYTES_MAX + 1)), "too-large", status=413)
    assert str(TRANSACTION_BYTES_MAX) in found["expected"]


FORMS = {
    "it says that it is JSON": ({"Content-Type": "application/json"}, "unsupported-media-type"),
    "it says that it is compressed": ({"Content-Type": MSGPACK, "Content-Encoding": "gzip"}, "unsupported-media-type"),
    "it says nothing": ({}, "unsupported-media-type"),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_body_of_another_form_is_refused(network: Network, case: str) -> None:
    headers, code = FORMS[case]
    response = network.callers[0].http.post("/v1/transactions", content=encode(good(network)), headers=headers)
    refused(response, code, status=415)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xc1", b"\x92" * 1_000, bytes(100)])
def test_a_body_that_is_not_what_it_says_is_refused(network: Network, body: bytes) -> None:
    found = refused(network.callers[0].post(body), "malformed-encoding", status=400)
    assert found["detail"].startswith("SignedTransaction: expected its canonical form, got other bytes")
