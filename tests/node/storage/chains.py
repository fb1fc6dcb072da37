"""Executed blocks with real certificates, to be appended: enrolments that fill state and log, and an era's end."""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from contracts.chain import ExecutedBlock, Tip, propose
from ledger import state_keys, state_tree
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate
from ledger.encoding import encode
from ledger.light_client import LightClient
from ledger.quantities import Era, Height, TimeMs, ValidatorId, View, quorum
from ledger.transactions import EnrolParticipant, SignedTransaction, Transaction
from ledger.validators import Validator, ValidatorSet
from ledger.votes import Vote, VoteBundle, VoteKind
from node.storage.chain_store import ChainStore
from tests.consortium import Consortium, signing_key

Certified = tuple[ExecutedBlock, CommitCertificate | None]


def enrolment(members: Consortium, number: int, *, valid_until: int) -> bytes:
    """Return a transaction that enrols site `number`."""
    name = members.organisations[number % len(members.organisations)]
    body = EnrolParticipant(organisation=name, name=f"site-{number}", key=signing_key(f"site {number}").public)
    transaction = Transaction(
        chain_id=members.genesis.chain_id,
        author=members.operators[name].public,
        nonce=number.to_bytes(16, "big"),
        valid_until=Height(valid_until),
        body=body,
    )
    return encode(SignedTransaction.sign(transaction, members.operators[name]))


def next_block(members: Consortium, tip: Tip, *, transactions: int = 3, first: int | None = None) -> ExecutedBlock:
    """Return the block above `tip` that enrols sites, whose used ids the chain forgets two blocks later."""
    height = tip.header.height + 1
    start = height * 1_000 if first is None else first
    raws = [enrolment(members, start + place, valid_until=height + 1) for place in range(transactions)]
    time = TimeMs(tip.header.time + 1)
    return propose(tip, time=time, proposer=ValidatorId(0), candidates=raws)


def certify(members: Consortium, header: BlockHeader, *, view: int = 0) -> CommitCertificate:
    """Return a quorum of real commits for a block."""
    vote = Vote(kind=VoteKind.COMMIT, era=header.era, view=View(view), height=header.height, digest=header.digest)
    proofs = []
    for validator, key in list(members.votes.items())[: quorum(len(members.votes))]:
        bundle = VoteBundle.sign((vote,), validator=validator, key=key, chain_id=header.chain_id)
        proofs += [proof for _, proof in bundle.proofs()]
    return CommitCertificate(
        era=header.era, view=View(view), height=header.height, digest=header.digest, commits=tuple(proofs)
    )


def extend(members: Consortium, tip: Tip, *, blocks: int, certified: Sequence[int] = ()) -> list[Certified]:
    """Return consecutive blocks above `tip`, with certificates for the places named and for the last."""
    made: list[Certified] = []
    for place in range(blocks):
        executed = next_block(members, tip)
        wanted = place in certified or place == blocks - 1
        made.append((executed, certify(members, executed.block.header) if wanted else None))
        tip = executed.tip(tip)
    return made


def grow(members: Consortium, store: ChainStore, blocks: int) -> None:
    """Append `blocks` certified blocks, one by one."""
    for executed, certificate in extend(members, store.tip(), blocks=blocks, certified=range(blocks)):
        store.append(executed, certificate)


def ending_era(tip: Tip, successors: tuple[Validator, ...], following: Era, *, members: Consortium) -> ExecutedBlock:
    """Return the block above `tip` after which `successors` decide."""
    executed = next_block(members, tip)
    header = executed.block.header
    writes = {
        **executed.state_writes,
        state_keys.VALIDATORS: encode(successors),
        state_keys.ERA: encode((following, header.height + 1)),
    }
    root, tree_writes = state_tree.update(tip.tree, writes)
    changed = structs.replace(header, state_root=root, next_validators=ValidatorSet(successors).digest)
    block = structs.replace(executed.block, header=changed)
    return replace(executed, block=block, state_writes=writes, tree_writes=tree_writes)


def check_whole(store: ChainStore, members: Consortium) -> None:
    """Assert that the store holds every block up to its head, and exactly the state and log that they commit to."""
    head = store.head.header
    light = LightClient(members.genesis)
    parent = store.block(Height(0))
    assert parent is not None
    for height in range(1, head.height + 1):
        block = store.block(Height(height))
        assert block is not None
        assert block.header.parent == parent.digest
        assert len(store.entries(Height(height))) == block.header.log_size - parent.header.log_size
        parent = block
    assert parent.header == head
    if head.height:
        light.verify_header(head, store.head.certificate)
        for index in (0, head.log_size // 2, head.log_size - 1):
            light.verify_entry(store.inclusion_proof(index, head.height))
    root, records = state_tree.update(lambda _: None, dict(store.state.scan(b"")))
    assert root == head.state_root
    assert all(store.tree_record(position) == record for position, record in records.items())
