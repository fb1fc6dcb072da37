"""Following eras over HTTP: a node proves each end of an era, and whatever it says else is not believed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import msgspec
import pytest

from ledger.certificates import CommitCertificate
from ledger.encoding import encode
from ledger.errors import QuorateError
from ledger.quantities import Era, Height
from ledger.snapshots import EraBoundary
from participant.errors import NodeHasNone
from participant.node import Node
from participant.verified_chain import VerifiedChain
from tests.ledger.helpers import commit_certificate, validator_set
from tests.ledger.mini_chain import FIRST, GENESIS, SECOND, certified, header_at
from tests.participant.proxy import Exchange, proxy
from tests.participant.tampering import refusal, with_body

THIRD = validator_set(4, era=2)
END_OF_0 = header_at(5, next_validators=SECOND.digest)
END_OF_1 = header_at(9, SECOND, era=Era(1), next_validators=THIRD.digest)
IN_1 = header_at(6, SECOND, era=Era(1))
IN_2 = header_at(10, THIRD, era=Era(2))
TRUE = {
    1: EraBoundary(header=END_OF_0, certificate=certified(END_OF_0), members=SECOND.members),
    2: EraBoundary(header=END_OF_1, certificate=certified(END_OF_1), members=THIRD.members),
}


@contextmanager
def node_with(proofs: Mapping[int, EraBoundary]) -> Iterator[Node]:
    """Run a node that gives these proofs of eras, true or not."""

    def answer(exchange: Exchange) -> Exchange:
        era = int(exchange.path.removeprefix("/v1/eras/"))
        if era not in proofs:
            return refusal(exchange, 404, "not-appended")
        return with_body(exchange, msgspec.json.encode({"boundary": encode(proofs[era]).hex()}))

    with proxy("http://127.0.0.1:1", answer, forwards=False) as running, httpx.Client() as http:
        yield Node(running.url, http)


def changed(era: int, **fields: object) -> dict[int, EraBoundary]:
    return {**TRUE, era: msgspec.structs.replace(TRUE[era], **fields)}


def test_eras_are_asked_for_one_after_the_other_and_only_once() -> None:
    chain = VerifiedChain(GENESIS)
    with node_with(TRUE) as node:
        chain.follow(node, IN_2)
    with node_with({}) as silent:
        chain.follow(silent, IN_1)
        chain.follow(silent, IN_2)
    assert chain.light.newest_era == 2
    assert chain.light.verify_header(IN_2, commit_certificate(IN_2, range(3))) == IN_2
    assert chain.light.verify_header(IN_1, certified(IN_1)) == IN_1


def few(certificate: CommitCertificate) -> CommitCertificate:
    return msgspec.structs.replace(certificate, commits=certificate.commits[:-1])


LIES: dict[str, dict[int, EraBoundary]] = {
    "a set that the block does not name": changed(1, members=FIRST.members),
    "one member fewer": changed(1, members=SECOND.members[:-1]),
    "no quorum": changed(1, certificate=few(TRUE[1].certificate)),
    "the certificate of another block": changed(1, certificate=certified(header_at(5))),
    "a block that ends no era": changed(
        1, header=header_at(5), certificate=certified(header_at(5)), members=FIRST.members
    ),
    "the end of the next era": {1: TRUE[2]},
    "the end of the era before": {1: TRUE[1], 2: TRUE[1]},
    "a set of the liar's own, certified by it": changed(
        2,
        header=header_at(9, THIRD, era=Era(1), next_validators=THIRD.digest),
        certificate=commit_certificate(header_at(9, THIRD, era=Era(1), next_validators=THIRD.digest), range(3)),
    ),
    "an end below the beginning of its era": changed(
        2,
        header=header_at(5, SECOND, era=Era(1), next_validators=THIRD.digest),
        certificate=certified(header_at(5, SECOND, era=Era(1), next_validators=THIRD.digest)),
    ),
}


@pytest.mark.parametrize("proofs", LIES.values(), ids=LIES.keys())
def test_a_node_that_lies_about_an_era_is_not_believed_and_a_true_one_is_believed_after_it(
    proofs: dict[int, EraBoundary],
) -> None:
    chain = VerifiedChain(GENESIS)
    with node_with(proofs) as liar, pytest.raises(QuorateError):
        chain.follow(liar, IN_2)
    assert chain.light.newest_era < 2
    with node_with(TRUE) as node:
        chain.follow(node, IN_2)
    assert chain.light.newest_era == 2


def test_an_era_that_the_node_cannot_prove_is_not_believed() -> None:
    chain = VerifiedChain(GENESIS)
    claimed = header_at(11, THIRD, era=Era(3))
    with node_with(TRUE) as node, pytest.raises(NodeHasNone):
        chain.follow(node, claimed)
    assert chain.light.newest_era == 2
    assert Height(0) == chain.height
