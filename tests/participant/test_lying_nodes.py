"""Nodes that show what is true elsewhere or was true before, and nodes that refuse: who is believed, and when."""

import json
from pathlib import Path

import msgspec
import pytest

from ledger import state_keys
from ledger.certificates import CertifiedBlock
from ledger.encoding import encode
from ledger.entries import ActionEntry
from ledger.errors import InvalidProof, MalformedEncoding, TooLarge
from ledger.genesis import assemble
from ledger.hashing import ZERO_DIGEST
from ledger.light_client import LightClient
from ledger.parameters import ChainParameters
from ledger.quantities import Height, TimeMs
from participant.errors import NodeBehind, NodeFault, NodeForbids, NodeHasNone, NodeLied, NodeRefused, NoNodeAnswered
from participant.receipts import PROOF_BYTES_MAX, verify_receipt
from tests.participant.proxy import Exchange, proxy
from tests.participant.served import Served
from tests.participant.tampering import edited, matching, refusal, with_body


def test_a_node_of_another_chain_is_found_out(served: Served, tmp_path: Path) -> None:
    genesis = served.network.genesis
    other = assemble(genesis.document.organisations, chain="other", time=TimeMs(0), parameters=ChainParameters())
    served_genesis = tmp_path / "other.json"
    served_genesis.write_bytes(other)
    elsewhere = Served(
        folder=served.folder,
        urls=served.urls,
        genesis=served_genesis,
        network=served.network,
        prepared=served.prepared,
        sites=served.sites,
        numbers=served.numbers,
    )
    name = served.open_task()
    with (
        elsewhere.consortium(0, tmp_path / "state", timeout=0.0) as consortium,
        pytest.raises(NoNodeAnswered, match="chain id in header") as caught,
    ):
        consortium.task(name).spec()
    assert {type(fault) for fault in caught.value.faults.values()} == {NodeLied}


def test_a_latest_block_without_certificate_is_not_believed(served: Served) -> None:
    def stripped(exchange: Exchange) -> Exchange:
        block = msgspec.msgpack.decode(exchange.body, type=CertifiedBlock)
        return with_body(exchange, encode(CertifiedBlock(block=block.block, certificate=None)))

    with (
        proxy(served.urls[0], matching("GET", "/v1/blocks/latest", stripped)) as faulty,
        served.operator(nodes=[faulty.url], timeout=0.0) as operator,
        pytest.raises(NoNodeAnswered, match="expected a commit certificate, got none") as caught,
    ):
        operator.upload_blob(served.prepared.layout_data)
    assert type(caught.value.faults[faulty.url]) is NodeFault


def test_the_proof_of_another_record_is_not_believed(served: Served, tmp_path: Path) -> None:
    one, two = served.open_task(), served.open_task()
    kept: dict[str, str] = {}

    def swapped(exchange: Exchange) -> Exchange:
        kept[exchange.path] = json.loads(exchange.body)["proof"]
        return edited(exchange, proof=kept[f"/v1/tasks/{one}"])

    with (
        proxy(served.urls[0], matching("GET", "/v1/tasks/", swapped)) as faulty,
        served.consortium(0, tmp_path, nodes=[faulty.url], timeout=0.0) as consortium,
    ):
        assert consortium.task(one).spec().name == one
        with pytest.raises(NoNodeAnswered, match="key: expected"):
            consortium.task(two).spec()


def test_the_receipt_of_another_transaction_is_not_believed(served: Served, tmp_path: Path) -> None:
    name = served.open_task()
    with served.consortium(0, tmp_path) as consortium:
        r = consortium.task(name).round()
        earlier = r.submit(r.global_model(), 10)
        second = consortium.task(served.open_task()).round()
        later = second.submit(second.global_model(), 10)
    other = matching("GET", "/v1/transactions/", lambda e: edited(e, proof=earlier.proof.hex()))
    with (
        proxy(served.urls[0], other) as faulty,
        served.consortium(0, tmp_path, nodes=[faulty.url], timeout=0.0) as consortium,
        pytest.raises(NoNodeAnswered, match=f"expected transaction {later.transaction.hex()}"),
    ):
        consortium.receipt(later.transaction)


def test_an_older_state_than_was_seen_is_not_believed(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    shown: list[bytes] = []

    def stale(exchange: Exchange) -> Exchange:
        shown.append(exchange.body)
        return with_body(exchange, shown[0])

    with (
        proxy(served.urls[0], lambda e: stale(e) if e.path == f"/v1/tasks/{name}" else e) as faulty,
        served.consortium(0, tmp_path, nodes=[faulty.url], timeout=0.0) as consortium,
    ):
        task = consortium.task(name)
        assert task.spec() == task.spec(), "the same height again is no step back"
        consortium.task(served.open_task()).spec()
        with pytest.raises(NoNodeAnswered, match="height: expected at least") as caught:
            task.spec()
    assert type(caught.value.faults[faulty.url]) is NodeBehind


def test_a_node_that_denies_records_is_named(served: Served) -> None:
    denying = matching("GET", "/record", lambda e: refusal(e, 404, "not-found"))
    with (
        proxy(served.urls[0], denying) as faulty,
        served.operator(nodes=[faulty.url], timeout=0.0) as operator,
        pytest.raises(NoNodeAnswered, match="the blob on chain, got not yet") as caught,
    ):
        operator.upload_blob(served.prepared.layout_data)
    assert type(caught.value.faults[faulty.url]) is NodeBehind


def test_a_node_that_denies_records_is_passed_over(served: Served) -> None:
    denying = matching("GET", "/record", lambda e: refusal(e, 404, "not-found"))
    with (
        proxy(served.urls[0], denying) as faulty,
        served.operator(nodes=[faulty.url, served.urls[1]]) as operator,
    ):
        assert operator.upload_blob(served.prepared.layout_data).size == len(served.prepared.layout_data)


REFUSALS = {401: NodeForbids, 403: NodeForbids, 404: NodeHasNone, 409: NodeRefused, 422: NodeRefused}


@pytest.mark.parametrize("status", REFUSALS)
def test_the_refusal_of_one_node_is_not_believed(served: Served, tmp_path: Path, task: str, status: int) -> None:
    with (
        proxy(served.urls[0], lambda exchange: refusal(exchange, status, "made-up")) as faulty,
        served.consortium(0, tmp_path, nodes=[faulty.url, served.urls[1]]) as consortium,
    ):
        assert consortium.task(task).round().number == 1


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_believed_once_a_weak_quorum_gives_it(
    served: Served, tmp_path: Path, task: str, status: int
) -> None:
    def refuse(exchange: Exchange) -> Exchange:
        return refusal(exchange, status, "made-up")

    with (
        proxy(served.urls[0], refuse) as one,
        proxy(served.urls[1], refuse) as two,
        served.consortium(0, tmp_path, nodes=[one.url, two.url, served.urls[2]]) as consortium,
        pytest.raises(NodeRefused, match="made-up") as caught,
    ):
        consortium.task(task).spec()
    assert type(caught.value) is REFUSALS[status]
    assert caught.value.problem == "made-up"


def test_the_refusal_of_nodes_that_are_behind_is_not_believed(served: Served, tmp_path: Path, task: str) -> None:
    def refuse(exchange: Exchange) -> Exchange:
        behind = refusal(exchange, 403, "unknown-key")
        behind.headers["Quorate-Height"] = "1"
        return behind

    tamper = matching("GET", "/models/", refuse)
    with (
        proxy(served.urls[0], tamper) as one,
        proxy(served.urls[1], tamper) as two,
        served.consortium(0, tmp_path, nodes=[one.url, two.url, served.urls[2]]) as consortium,
    ):
        assert consortium.task(task).global_model().version == 0


def test_words_of_a_node_cannot_paint_over_the_terminal(served: Served, tmp_path: Path, task: str) -> None:
    def painted(exchange: Exchange) -> Exchange:
        answer = refusal(exchange, 422, "made\x1b[2Jup")
        return edited(answer, detail="\u202eso it says\r" + "x" * 10_000)

    with (
        proxy(served.urls[0], painted) as faulty,
        served.consortium(0, tmp_path, nodes=[faulty.url]) as consortium,
        pytest.raises(NodeRefused) as caught,
    ):
        consortium.task(task).spec()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000
    assert caught.value.problem == "made?[2Jup"


def test_the_proof_that_there_is_no_record_is_no_record(served: Served, tmp_path: Path) -> None:
    absence = encode(served.network.nodes[0].chain.state_proof(state_keys.task("nothing"))).hex()

    def absent(exchange: Exchange) -> Exchange:
        found = with_body(exchange, json.dumps({"proof": absence}).encode())
        found.status = 200
        return found

    with (
        proxy(served.urls[0], absent) as faulty,
        served.consortium(0, tmp_path, nodes=[faulty.url], timeout=0.0) as consortium,
        pytest.raises(NoNodeAnswered, match="proof that there is none"),
    ):
        consortium.task("nothing").spec()


def test_the_receipt_of_an_action_is_none_of_a_transaction(served: Served) -> None:
    served.open_task()
    chain = served.network.nodes[0].chain
    head = chain.head.header
    proofs = (chain.inclusion_proof(index, Height(head.height)) for index in range(head.log_size))
    action = next(proof for proof in proofs if isinstance(proof.entry, ActionEntry))
    with pytest.raises(InvalidProof, match="an action of the chain"):
        verify_receipt(LightClient(served.network.genesis), encode(action), ZERO_DIGEST)


def test_bytes_that_are_no_proof_are_no_receipt(served: Served) -> None:
    with pytest.raises(MalformedEncoding):
        verify_receipt(LightClient(served.network.genesis), b"", ZERO_DIGEST)
    with pytest.raises(TooLarge):
        verify_receipt(LightClient(served.network.genesis), bytes(PROOF_BYTES_MAX + 1), ZERO_DIGEST)
