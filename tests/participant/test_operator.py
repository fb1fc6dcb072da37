"""The operator's helpers: what they send is judged, and a refusal is a receipt with words."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.blobs import LayoutFacts, ModelFacts
from ledger.errors import ConfigurationError, MalformedEncoding
from ledger.hashing import sha256
from ledger.keys import PublicKey
from node.keystore import KeyPurpose, create_key
from participant.errors import NodeRefused, NoNodeAnswered, NotTakingPart
from participant.operator import Operator
from tests.participant.served import Served, seeded_net


def test_a_name_that_is_taken_is_refused_in_words(served: Served, tmp_path: Path) -> None:
    public = create_key(tmp_path / "new.key", KeyPurpose.PARTICIPANT).public
    with served.operator() as operator:
        assert operator.organisation == "org-0"
        receipt = operator.enrol("site", public)
    assert receipt.rule == "P3"
    assert "has a participant of this name already: number 1." in receipt.why()


def test_nothing_is_said_to_be_remembered_where_nothing_is(served: Served, tmp_path: Path) -> None:
    public = create_key(tmp_path / "new.key", KeyPurpose.PARTICIPANT).public
    with (
        served.operator(nodes=["http://127.0.0.1:1"], timeout=0.0) as operator,
        pytest.raises(NoNodeAnswered) as caught,
    ):
        operator.enrol("annex", public)
    assert type(caught.value) is NoNodeAnswered
    assert "remembered" not in caught.value.hint


def test_a_key_that_is_not_enrolled_takes_no_part(served: Served, tmp_path: Path) -> None:
    create_key(tmp_path / "stranger.key", KeyPurpose.PARTICIPANT)
    stranger = replace_site(served, tmp_path / "stranger.key")
    with stranger.consortium(0, tmp_path / "state") as consortium:
        with pytest.raises(NotTakingPart, match="an enrolled participant"):
            consortium.participant_number()
        with pytest.raises(NotTakingPart):
            consortium.task(served.open_task()).round()


def replace_site(served: Served, key: Path) -> Served:
    return Served(
        folder=served.folder,
        urls=served.urls,
        genesis=served.genesis,
        network=served.network,
        prepared=served.prepared,
        sites=[key],
        numbers=served.numbers,
    )


def test_a_site_knows_its_number(served: Served, tmp_path: Path) -> None:
    with served.consortium(2, tmp_path) as consortium:
        assert consortium.participant_number() == served.numbers[2]


def test_the_key_of_no_member_is_refused(served: Served, tmp_path: Path) -> None:
    create_key(tmp_path / "other.key", KeyPurpose.OPERATOR)
    with pytest.raises(ConfigurationError, match="one of a member"):
        Operator(nodes=served.urls, genesis=served.genesis, key=tmp_path / "other.key")


def test_a_blob_that_is_recorded_already_is_not_sent_again(served: Served) -> None:
    with served.operator() as operator:
        layout = operator.upload_blob(served.prepared.layout_data)
        model = operator.upload_blob(served.prepared.model_data, layout=served.prepared.layout.digest)
    assert isinstance(layout.facts, LayoutFacts)
    assert isinstance(model.facts, ModelFacts)
    assert layout.recorded < model.recorded


def test_a_blob_that_is_none_is_refused_once_nodes_agree(served: Served) -> None:
    with served.operator() as operator, pytest.raises(NodeRefused, match="unknown-blob"):
        operator.upload_blob(b"neither this nor that")


def test_a_task_that_cannot_be_is_refused_in_words(served: Served) -> None:
    with served.operator() as operator:
        receipt = operator.register_task(replace(served.spec(), initial_model=sha256(b"nothing")))
    assert receipt.rule == "T6"
    assert "upload it first" in receipt.why()


def test_a_site_loads_what_the_operator_prepared(served: Served, tmp_path: Path) -> None:
    with served.consortium(0, tmp_path) as consortium:
        net = seeded_net(seed=1)
        consortium.task(served.open_task()).global_model().load_into(net)
    wanted = seeded_net().state_dict()
    assert all(value.equal(wanted[name]) for name, value in net.state_dict().items())


def test_a_name_that_none_may_have_is_refused_before_it_is_sent(served: Served) -> None:
    with served.operator() as operator, pytest.raises(MalformedEncoding):
        operator.enrol("No Name", PublicKey(bytes(32)))


def test_participants_that_share_a_state_folder_are_kept_apart(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    receipts = []
    for site in (0, 1):
        with served.consortium(site, tmp_path) as consortium:
            r = consortium.task(name).round()
            receipts.append(r.submit(r.global_model(), 10))
    assert [(receipt.accepted, receipt.is_remembered) for receipt in receipts] == [(True, False)] * 2
