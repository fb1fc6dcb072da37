"""Routes of members: validator sets, participants, organisations."""

from pathlib import Path

import httpx
import pytest

from ledger.light_client import LightClient
from ledger.quantities import Era, Height
from ledger.validators import ValidatorSet
from node.rest import record_schemas
from node.rest.members import deciding_set
from node.storage.chain_store import ChainStore
from node.storage.leveldb import LevelDb
from tests.consortium import Consortium, consortium
from tests.node.rest.served import Served, checked, refused
from tests.node.storage.chains import certify, ending_era, grow


def test_validators_come_with_their_addresses(served: Served, caller: httpx.Client) -> None:
    found = checked(caller.get("/v1/validators"), record_schemas.Validators)
    assert (found["era"], found["first_height"], found["quorum"]) == (0, 1, 3)
    descriptors = served.network.genesis.descriptors
    assert [member["organisation"] for member in found["validators"]] == ["org-0", "org-1", "org-2", "org-3"]
    for member in found["validators"]:
        known = descriptors[member["id"]]
        assert (member["link_address"], member["rest_url"]) == (known.link_address, known.rest_url)
        assert member["link_certificate"] == known.link_certificate


@pytest.mark.parametrize("height", [0, 1, 3])
def test_validators_of_a_height_are_those_of_its_era(caller: httpx.Client, height: int) -> None:
    now = checked(caller.get("/v1/validators"), record_schemas.Validators)
    assert checked(caller.get(f"/v1/validators?height={height}"), record_schemas.Validators) == now


def test_validators_above_the_head_are_not_known_yet(caller: httpx.Client) -> None:
    refused(caller.get("/v1/validators?height=999999"), "not-appended", status=404)


def test_participants_are_listed_by_number(served: Served, caller: httpx.Client) -> None:
    found = checked(caller.get("/v1/participants"), record_schemas.Participants)["participants"]
    numbers = [record["participant"] for record in found]
    assert numbers == sorted(numbers)
    keys = {record["participant"]: record["key"] for record in found}
    assert [keys[number] for number in served.sites.numbers] == [key.public.hex() for key in served.sites.keys]


def test_nobody_has_done_wrong(caller: httpx.Client) -> None:
    assert checked(caller.get("/v1/offences"), record_schemas.Offences)["offences"] == []


def test_organisations_are_listed_by_name(served: Served, caller: httpx.Client) -> None:
    found = checked(caller.get("/v1/organisations"), record_schemas.Organisations)["organisations"]
    assert [record["name"] for record in found] == ["org-0", "org-1", "org-2", "org-3", "site-0"]
    assert found[0]["operator_key"] == served.network.operator(0).public.hex()


@pytest.mark.parametrize("era", [0, 1, 7, 10**18 - 1])
def test_an_era_that_has_no_beginning_here_has_no_proof(caller: httpx.Client, era: int) -> None:
    found = refused(caller.get(f"/v1/eras/{era}"), "not-appended", status=404)
    assert found["expected"] == "an era from 1 to the current one"


@pytest.mark.parametrize("era", ["-1", "x", "1.0", "1000000000000000000"])
def test_what_is_no_number_of_an_era_is_refused(caller: httpx.Client, era: str) -> None:
    refused(caller.get(f"/v1/eras/{era}"), "invalid-parameter", status=422)


def two_eras(kv: LevelDb, members: Consortium, others: Consortium) -> ChainStore:
    """Return a chain of three blocks by one set, the last of which hands over to another, and three by that."""
    store = ChainStore(kv, members.genesis)
    grow(members, store, 2)
    boundary = ending_era(store.tip(), others.genesis.validators.members, Era(1), members=members)
    store.append(boundary, certify(members, boundary.block.header))
    grow(members, store, 3)
    return store


def test_the_proof_of_an_era_convinces_whoever_trusts_genesis(tmp_path: Path) -> None:
    members, others = consortium(), consortium(validators=5)
    kv = LevelDb(tmp_path / "chain")
    store = two_eras(kv, members, others)
    found = store.era_boundary(Era(1))
    kv.close()
    light = LightClient(members.genesis)
    light.learn(found.header, found.certificate, found.members)
    assert (light.newest_era, found.header.height) == (1, 3)
    assert found.members == others.genesis.validators.members


def test_each_height_has_the_set_that_decided_it(tmp_path: Path) -> None:
    members, others = consortium(), consortium(validators=5)
    kv = LevelDb(tmp_path / "chain")
    store = two_eras(kv, members, others)
    eras = {height: deciding_set(store, Height(height)) for height in range(7)}
    kv.close()
    for height, (era, first, found) in eras.items():
        expected = (1, 4, others) if height > 3 else (0, 1, members)
        assert (era, first) == expected[:2]
        assert isinstance(found, ValidatorSet)
        assert found.digest == expected[2].genesis.validators.digest
