"""Several transactions in one request: each is judged by itself, in the order of the request."""

import httpx
import pytest
from msgspec import structs

from ledger.encoding import decode, encode
from ledger.keys import SigningKey
from ledger.transactions import EnrolParticipant, SignedTransaction
from node.rest import record_schemas
from node.rest.batches import BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX, Batch
from node.rest.media import MSGPACK
from tests.consortium import signing_key
from tests.network import signed
from tests.node.rest.served import Served, checked, refused


def enrolment(served: Served, name: str, *, key: SigningKey | None = None) -> bytes:
    """Return a transaction that enrols a site of this name, which no other test enrols."""
    body = EnrolParticipant(organisation="org-0", name=f"batch-{name}", key=signing_key(f"batch-{name}").public)
    return encode(signed(key or served.network.operator(0), body, served.network.genesis, valid_until=5_000))


def post(caller: httpx.Client, content: bytes, **query: int) -> httpx.Response:
    return caller.post("/v1/batches", content=content, headers={"Content-Type": MSGPACK}, params=query)


def batch(*raws: bytes) -> bytes:
    return encode(Batch(transactions=raws))


def identity(raw: bytes) -> str:
    return decode(raw, SignedTransaction).transaction.id.hex()


def test_all_are_final_in_the_order_of_the_request(served: Served, caller: httpx.Client) -> None:
    raws = [enrolment(served, f"ordered-{number}") for number in range(40)]
    found = checked(post(caller, batch(*raws), wait=30_000), record_schemas.BatchOutcome)["results"]
    assert [result["id"] for result in found] == [identity(raw) for raw in raws]
    assert {result["status"] for result in found} == {"final"}
    assert {result["receipt"]["verdict"]["kind"] for result in found} == {"Accepted"}
    for result in found[:2]:
        outcome = caller.get(f"/v1/transactions/{result['id']}").json()
        assert {name: outcome[name] for name in result} == result


def test_what_is_refused_takes_nothing_else_with_it(served: Served, caller: httpx.Client) -> None:
    good, other = enrolment(served, "good"), enrolment(served, "other")
    true = decode(enrolment(served, "forged"), SignedTransaction)
    forged = encode(SignedTransaction(transaction=true.transaction, signature=type(true.signature)(bytes(64))))
    stranger = enrolment(served, "stranger", key=signing_key("stranger"))
    body = batch(good, b"\xc1", forged, stranger, good, other)
    found = checked(post(caller, body, wait=30_000), record_schemas.BatchOutcome)["results"]
    codes = [result["problem"]["code"] if "problem" in result else result["status"] for result in found]
    assert codes == ["final", "malformed-encoding", "invalid-signature", "unknown-key", "final", "final"]
    assert found[0] == found[4]  # the same bytes twice are one transaction
    assert all(result["status"] == "refused" for result in found[1:4])


def test_a_contract_refuses_with_a_receipt(served: Served, caller: httpx.Client) -> None:
    raws = [enrolment(served, "doubled"), enrolment(served, "doubled")]
    found = checked(post(caller, batch(*raws), wait=30_000), record_schemas.BatchOutcome)["results"]
    assert sorted(result["receipt"]["verdict"]["kind"] for result in found) == ["Accepted", "Rejected"]


def test_without_wait_what_is_taken_in_is_pending(served: Served, caller: httpx.Client) -> None:
    raw = enrolment(served, "pending")
    found = checked(post(caller, batch(raw, b"")), record_schemas.BatchOutcome, status=202)["results"]
    assert found[0] == {"id": identity(raw), "status": "pending"}
    assert found[1]["problem"]["code"] == "malformed-encoding"


def test_a_batch_that_ends_while_it_waits_says_so(
    served: Served, caller: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction may end without being appended: it expires, or its key is taken away."""
    node = served.network.nodes[0]
    expired, kept = enrolment(served, "ended"), enrolment(served, "kept")
    gone = decode(expired, SignedTransaction).transaction.id
    final, is_waiting = node.api.final, node.api.is_waiting
    monkeypatch.setattr(node.api, "final", lambda each: None if each == gone else final(each))
    monkeypatch.setattr(node.api, "is_waiting", lambda each: each != gone and is_waiting(each))
    found = checked(post(caller, batch(expired, kept), wait=30_000), record_schemas.BatchOutcome)["results"]
    assert [result["status"] for result in found] == ["refused", "final"]
    assert (found[0]["id"], found[0]["problem"]["code"]) == (gone.hex(), "transaction-unknown")


def test_a_full_mempool_refuses_the_rest(served: Served, monkeypatch: pytest.MonkeyPatch, caller: httpx.Client) -> None:
    node = served.network.nodes[0]
    monkeypatch.setattr(node.loop, "poke", lambda: None)
    monkeypatch.setattr(node._gossip, "_poke", lambda: None)
    limits = structs.replace(node.mempool._limits, mempool_sender_max=len(node.mempool) + 1)
    monkeypatch.setattr(node.mempool, "_limits", limits)
    found = post(caller, batch(enrolment(served, "last"), enrolment(served, "over"))).json()["results"]
    assert [result["status"] for result in found] == ["pending", "refused"]
    assert found[1]["problem"]["code"] == "sender-queue-full"


@pytest.mark.parametrize("count", [0, BATCH_TRANSACTIONS_MAX + 1])
def test_too_few_and_too_many_are_refused_as_a_whole(caller: httpx.Client, count: int) -> None:
    refused(post(caller, encode([[b""] * count])), "malformed-encoding", status=400)


def test_as_many_as_there_may_be_are_judged(caller: httpx.Client) -> None:
    found = checked(post(caller, batch(*[b""] * BATCH_TRANSACTIONS_MAX)), record_schemas.BatchOutcome)["results"]
    assert len(found) == BATCH_TRANSACTIONS_MAX


@pytest.mark.parametrize("body", [b"", b"\xc1", encode([]), encode([b"x"]), encode([["x"]]), encode([[b"x"], 1])])
def test_a_body_that_is_no_batch_is_refused(caller: httpx.Client, body: bytes) -> None:
    refused(post(caller, body), "malformed-encoding", status=400)


def test_another_byte_form_is_refused(caller: httpx.Client) -> None:
    refused(post(caller, b"\xdc\x00\x01" + batch(b"x")[1:]), "non-canonical-encoding", status=400)


def test_a_body_over_the_limit_is_refused(caller: httpx.Client) -> None:
    refused(post(caller, bytes(BATCH_BYTES_MAX + 1)), "too-large", status=413)


def test_another_content_type_is_refused(caller: httpx.Client) -> None:
    response = caller.post("/v1/batches", content=batch(b"x"), headers={"Content-Type": "application/json"})
    refused(response, "unsupported-media-type", status=415)
