"""Routes of transactions: what is taken in, what is refused, what becomes of it."""

import asyncio

import httpx
import pytest

from ledger.encoding import decode, encode
from ledger.entries import TransactionEntry
from ledger.keys import SigningKey
from ledger.light_client import EntryProof, LightClient
from ledger.parameters import TRANSACTION_BYTES_MAX
from ledger.transactions import EnrolParticipant, SignedTransaction
from node.rest import record_schemas
from node.rest.media import MSGPACK
from tests.consortium import consortium, signing_key
from tests.network import signed
from tests.node.rest.served import Served, checked, refused, stall

HEADERS = {"Content-Type": "application/msgpack"}


def enrolment(served: Served, name: str, *, key: SigningKey | None = None, valid_until: int = 5_000) -> bytes:
    """Return a transaction that enrols a site of this name, which no other test enrols."""
    body = EnrolParticipant(organisation="org-0", name=name, key=signing_key(name).public)
    author = key or served.network.operator(0)
    return encode(signed(author, body, served.network.genesis, valid_until=valid_until))


def submit(caller: httpx.Client, raw: bytes, *, wait: int | None = None) -> httpx.Response:
    return caller.post("/v1/transactions", content=raw, headers=HEADERS, params={} if wait is None else {"wait": wait})


def test_without_wait_it_is_pending_and_found_final_later(served: Served, caller: httpx.Client) -> None:
    response = submit(caller, enrolment(served, "later"))
    found = checked(response, record_schemas.Submitted, status=202)
    assert found["status"] == "pending"
    where = response.headers["location"]
    assert where == f"/v1/transactions/{found['id']}"
    outcome = checked(caller.get(where, params={"wait": 30_000}), record_schemas.TransactionOutcome)
    assert (outcome["status"], outcome["receipt"]["verdict"]["kind"]) == ("final", "Accepted")


def test_with_wait_the_receipt_comes_at_once_and_the_same_bytes_get_it_again(
    served: Served, caller: httpx.Client
) -> None:
    raw = enrolment(served, "twice")
    first = checked(submit(caller, raw, wait=30_000), record_schemas.Submitted)
    assert (first["status"], first["receipt"]["height"]) == ("final", first["height"])
    assert checked(submit(caller, raw), record_schemas.Submitted) == first


def test_the_outcome_carries_entry_and_proof(served: Served, caller: httpx.Client) -> None:
    identity = checked(submit(caller, enrolment(served, "proven"), wait=30_000), record_schemas.Submitted)["id"]
    found = checked(caller.get(f"/v1/transactions/{identity}"), record_schemas.TransactionOutcome)
    proof = decode(bytes.fromhex(found["proof"]), EntryProof)
    entry = LightClient(served.network.genesis).verify_entry(proof)
    assert isinstance(entry, TransactionEntry)
    assert entry.signed.transaction.id.hex() == identity == found["id"]
    assert (proof.index, entry.receipt.position) == (found["log_index"], found["position"])
    assert found["entry"]["signed"]["transaction"]["body"]["name"] == "proven"


def test_the_proof_has_canonical_bytes(served: Served, caller: httpx.Client) -> None:
    identity = checked(submit(caller, enrolment(served, "bytes"), wait=30_000), record_schemas.Submitted)["id"]
    response = caller.get(f"/v1/transactions/{identity}", headers={"Accept": MSGPACK})
    assert response.headers["content-type"] == MSGPACK
    entry = LightClient(served.network.genesis).verify_entry(decode(response.content, EntryProof))
    assert isinstance(entry, TransactionEntry)
    assert entry.signed.transaction.id.hex() == identity


def test_a_contract_refuses_with_a_receipt_not_with_a_problem(served: Served, caller: httpx.Client) -> None:
    checked(submit(caller, enrolment(served, "doubled"), wait=30_000), record_schemas.Submitted)
    found = checked(submit(caller, enrolment(served, "doubled"), wait=30_000), record_schemas.Submitted)
    assert found["receipt"]["verdict"]["kind"] == "Rejected"


@pytest.fixture
def stalled(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    stall(served, monkeypatch)


@pytest.mark.usefixtures("stalled")
def test_a_wait_that_ends_leaves_it_pending(served: Served, caller: httpx.Client) -> None:
    found = checked(submit(caller, enrolment(served, "waits"), wait=1), record_schemas.Submitted, status=202)
    assert found["status"] == "pending"
    path = f"/v1/transactions/{found['id']}"
    assert checked(caller.get(path), record_schemas.TransactionOutcome) == found
    assert checked(caller.get(path, params={"wait": 1}), record_schemas.TransactionOutcome) == found
    response = caller.get(path, headers={"Accept": MSGPACK})
    assert checked(response, record_schemas.TransactionOutcome) == found


def test_a_wait_is_clamped_to_the_nodes_own_bound(served: Served) -> None:
    async def bound() -> float:
        return served.app().state.context.seconds(10**12)  # type: ignore[no-any-return]

    assert asyncio.run(bound()) == served.configuration.rest.wait_ms_max / 1000


def test_an_unknown_transaction_is_not_found(caller: httpx.Client) -> None:
    for query in ({}, {"wait": 1}):
        refused(caller.get(f"/v1/transactions/{'00' * 32}", params=query), "transaction-unknown", status=404)


@pytest.mark.parametrize("identity", ["x", "0" * 63, "0" * 65, "G" * 64, "A" * 64])
def test_an_id_that_is_none_is_refused(caller: httpx.Client, identity: str) -> None:
    refused(caller.get(f"/v1/transactions/{identity}"), "invalid-parameter", status=422)


@pytest.mark.parametrize("form", ["application/json", "text/plain", "application/msgpackx", ""])
def test_another_content_type_is_refused(served: Served, caller: httpx.Client, form: str) -> None:
    response = caller.post("/v1/transactions", content=enrolment(served, "form"), headers={"Content-Type": form})
    assert refused(response, "unsupported-media-type", status=415)["expected"] == "application/msgpack"


def test_no_content_type_is_refused(served: Served, caller: httpx.Client) -> None:
    response = caller.post("/v1/transactions", content=enrolment(served, "form"))
    refused(response, "unsupported-media-type", status=415)


def test_a_compressed_body_is_refused(served: Served, caller: httpx.Client) -> None:
    headers = {**HEADERS, "Content-Encoding": "gzip"}
    response = caller.post("/v1/transactions", content=enrolment(served, "gzip"), headers=headers)
    assert refused(response, "unsupported-media-type", status=415)["got"] == "gzip"


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xc1", b"\x92\x00", b"[" * 50_000])
def test_a_body_that_is_no_transaction_is_refused(caller: httpx.Client, raw: bytes) -> None:
    refused(submit(caller, raw), "malformed-encoding", status=400)


def test_another_byte_form_is_refused(served: Served, caller: httpx.Client) -> None:
    raw = enrolment(served, "form")
    assert raw[0] == 0x92  # fixarray of two
    refused(submit(caller, b"\xdc\x00\x02" + raw[1:]), "non-canonical-encoding", status=400)


def test_a_declared_length_over_the_limit_is_refused_unread(caller: httpx.Client) -> None:
    refused(submit(caller, b"x" * (TRANSACTION_BYTES_MAX + 1)), "too-large", status=413)


def test_a_chunked_body_over_the_limit_is_refused(caller: httpx.Client) -> None:
    chunks = (b"x" * 10_000 for _ in range(8))
    response = caller.post("/v1/transactions", content=chunks, headers=HEADERS)
    refused(response, "too-large", status=413)


def test_a_chunked_transaction_is_taken_in(served: Served, caller: httpx.Client) -> None:
    raw = enrolment(served, "chunked")
    chunks = (raw[place : place + 50] for place in range(0, len(raw), 50))
    response = caller.post("/v1/transactions", content=chunks, headers=HEADERS)
    checked(response, record_schemas.Submitted, status=202)


def test_a_transaction_of_another_chain_is_refused(served: Served, caller: httpx.Client) -> None:
    body = EnrolParticipant(organisation="org-0", name="other", key=signing_key("other").public)
    raw = encode(signed(served.network.operator(0), body, consortium().genesis))
    assert "genesis show" in refused(submit(caller, raw), "wrong-chain", status=422)["hint"]


def test_a_forged_signature_is_refused(served: Served, caller: httpx.Client) -> None:
    true = decode(enrolment(served, "forged"), SignedTransaction)
    forged = SignedTransaction(transaction=true.transaction, signature=type(true.signature)(bytes(64)))
    refused(submit(caller, encode(forged)), "invalid-signature", status=403)


def test_a_key_that_is_not_on_chain_is_refused(served: Served, caller: httpx.Client) -> None:
    refused(submit(caller, enrolment(served, "x", key=signing_key("stranger"))), "unknown-key", status=403)


def test_an_expired_transaction_is_refused(served: Served, caller: httpx.Client) -> None:
    refused(submit(caller, enrolment(served, "x", valid_until=1)), "transaction-expired", status=422)


def test_one_valid_for_too_long_is_refused(served: Served, caller: httpx.Client) -> None:
    refused(submit(caller, enrolment(served, "x", valid_until=10**9)), "valid-until-too-far", status=422)
