"""Routes of blocks: pages and whole blocks."""

import httpx
import pytest

from ledger.certificates import CertifiedBlock
from ledger.encoding import decode
from ledger.light_client import LightClient
from ledger.transactions import decode_transaction
from node.rest import record_schemas, schemas
from node.rest.media import MSGPACK
from tests.node.rest.served import Served, checked, refused


def test_a_page_lists_the_newest_blocks_first(caller: httpx.Client) -> None:
    found = checked(caller.get("/v1/blocks?limit=3"), schemas.BlockPage)
    heights = [block["height"] for block in found["blocks"]]
    assert heights == [heights[0], heights[0] - 1, heights[0] - 2]
    assert found["next"] == heights[2]


def test_pages_lead_down_to_genesis_without_gap_or_repetition(caller: httpx.Client) -> None:
    page = checked(caller.get("/v1/blocks?limit=4"), schemas.BlockPage)
    heights = [block["height"] for block in page["blocks"]]
    while page["next"] is not None:
        page = checked(caller.get("/v1/blocks", params={"limit": 4, "before": page["next"]}), schemas.BlockPage)
        heights += [block["height"] for block in page["blocks"]]
    assert heights == list(range(heights[0], -1, -1))


def test_genesis_has_no_certificate(caller: httpx.Client) -> None:
    (genesis,) = checked(caller.get("/v1/blocks?before=1"), schemas.BlockPage)["blocks"]
    assert (genesis["height"], genesis["view"], genesis["signers"], genesis["entries"]) == (0, None, [], 0)


def test_below_genesis_there_is_nothing(caller: httpx.Client) -> None:
    assert checked(caller.get("/v1/blocks?before=0"), schemas.BlockPage) == {"blocks": [], "next": None}


def test_a_summary_agrees_with_its_block(caller: httpx.Client) -> None:
    for summary in checked(caller.get("/v1/blocks?limit=100"), schemas.BlockPage)["blocks"]:
        block = checked(caller.get(f"/v1/blocks/{summary['height']}"), record_schemas.BlockDetail)
        assert summary["digest"] == block["digest"]
        assert (summary["time"], summary["proposer"]) == (block["header"]["time"], block["header"]["proposer"])
        assert summary["entries"] == len(block["entries"])
        assert summary["transactions"] == sum(entry["kind"] == "TransactionEntry" for entry in block["entries"])
        if block["certificate"] is None:  # finalised by a descendant's
            assert (summary["view"], summary["signers"]) == (None, [])
        else:
            assert summary["view"] == block["certificate"]["view"]
            assert summary["signers"] == [proof["validator"] for proof in block["certificate"]["commits"]]


def test_the_latest_block_is_the_head(caller: httpx.Client) -> None:
    response = caller.get("/v1/blocks/latest")
    found = checked(response, record_schemas.BlockDetail)
    assert found["header"]["height"] == int(response.headers["quorate-height"])


def test_canonical_bytes_verify_with_the_genesis_file_alone(served: Served, caller: httpx.Client) -> None:
    response = caller.get("/v1/blocks/2", headers={"Accept": "application/msgpack"})
    assert (response.headers["content-type"], response.headers["vary"]) == (MSGPACK, "Accept")
    found = decode(response.content, CertifiedBlock)
    LightClient(served.network.genesis).verify_header(found.block.header, found.certificate)
    detail = checked(caller.get("/v1/blocks/2"), record_schemas.BlockDetail)
    assert found.block.digest.hex() == detail["digest"]
    ids = [decode_transaction(raw).transaction.id.hex() for raw in found.block.transactions]
    assert ids == [entry["id"] for entry in detail["entries"] if "id" in entry]


def test_genesis_has_canonical_bytes_too(served: Served, caller: httpx.Client) -> None:
    found = decode(caller.get("/v1/blocks/0", headers={"Accept": MSGPACK}).content, CertifiedBlock)
    assert found == CertifiedBlock(block=served.network.genesis.block, certificate=None)


def test_a_block_that_is_not_there_yet_is_not_found(caller: httpx.Client) -> None:
    assert "a height from 0 to" in refused(caller.get("/v1/blocks/999999"), "not-appended", status=404)["expected"]


def test_a_caller_that_accepts_neither_form_is_refused(caller: httpx.Client) -> None:
    refused(caller.get("/v1/blocks/1", headers={"Accept": "text/html"}), "not-acceptable", status=406)


@pytest.mark.parametrize("height", ["-1", "x", "1.0", "%31%20", "9" * 19, "Latest", "0x1"])
def test_a_height_that_is_none_is_refused(caller: httpx.Client, height: str) -> None:
    problem = refused(caller.get(f"/v1/blocks/{height}"), "invalid-parameter", status=422)
    assert "latest" in problem["expected"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=many", "before=-1", "before=", f"before={2**63}"])
def test_a_page_out_of_bounds_is_refused(caller: httpx.Client, query: str) -> None:
    problem = refused(caller.get(f"/v1/blocks?{query}"), "invalid-parameter", status=422)
    assert query.partition("=")[0] in problem["detail"]
