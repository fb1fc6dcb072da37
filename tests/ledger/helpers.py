"""Keys, validator sets, certificates and genesis files for the tests of the ledger, all derived from names."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from ledger import merkle
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.encoding import decode
from ledger.genesis import Genesis, OrganisationDescriptor, ValidatorDescriptor, assemble
from ledger.hashing import Digest, sha256
from ledger.keys import SigningKey
from ledger.parameters import ChainParameters
from ledger.quantities import Era, Height, TimeMs, ValidatorId, View
from ledger.validators import Validator, ValidatorSet
from ledger.votes import Vote, VoteBundle, VoteKind, VoteProof

CHAIN = sha256(b"the chain of these tests")
OTHER_CHAIN = sha256(b"another chain")
GENESIS_TIME = TimeMs(1_750_000_000_000)


def decode_union(data: bytes, kind: Any) -> Any:
    """Decode one of several nouns; the type of a union is no `type[T]` to a type checker."""
    return decode(data, kind)


def digest(name: str) -> Digest:
    """Return a digest that stands for something named."""
    return sha256(name.encode())


def key(name: str) -> SigningKey:
    """Return the key pair that belongs to a name."""
    return SigningKey(digest(name))


def vote_key(validator: int, era: int = 0) -> SigningKey:
    """Return the vote key of a validator in an era."""
    return key(f"vote {validator} era {era}")


def validator(number: int, era: int = 0) -> Validator:
    """Return a validator with an organisation of its own."""
    return Validator(
        id=ValidatorId(number),
        organisation=f"org-{number:02}",
        vote_key=vote_key(number, era).public,
        service_key=key(f"service {number}").public,
        log_head_key=key(f"log-head {number}").public,
        link_certificate=certificate_der(number),
    )


def certificate_der(number: int) -> bytes:
    """Return bytes in the place of a link certificate."""
    return f"link certificate {number}".encode().ljust(64, b".")


def validator_set(count: int = 4, era: int = 0) -> ValidatorSet:
    """Return validators 0 to `count` - 1."""
    return ValidatorSet(tuple(validator(number, era) for number in range(count)))


def header(validators: ValidatorSet | None = None, **changes: object) -> BlockHeader:
    """Return a header of block 1 under a validator set, with some fields replaced."""
    named = (validators or validator_set()).digest
    plain = BlockHeader(
        protocol=1,
        chain_id=CHAIN,
        era=Era(0),
        height=Height(1),
        parent=digest("parent"),
        time=TimeMs(GENESIS_TIME + 1_000),
        proposer=ValidatorId(0),
        transactions_root=merkle.EMPTY_ROOT,
        receipts_root=merkle.EMPTY_ROOT,
        state_root=digest("state"),
        log_size=0,
        log_root=merkle.EMPTY_ROOT,
        validators=named,
        next_validators=named,
    )
    return replace(plain, **changes)


def vote_for(subject: BlockHeader, kind: VoteKind, view: int = 0) -> Vote:
    """Return the vote of one phase for a block."""
    return Vote(kind=kind, era=subject.era, view=View(view), height=subject.height, digest=subject.digest)


def proof_of(vote: Vote, signer: int, *, chain_id: Digest = CHAIN, key_era: int | None = None) -> VoteProof:
    """Return a validator's evidence for a vote that left in a bundle of one."""
    signing = vote_key(signer, vote.era if key_era is None else key_era)
    bundle = VoteBundle.sign((vote,), validator=ValidatorId(signer), key=signing, chain_id=chain_id)
    ((_, proof),) = bundle.proofs()
    return proof


def commit_certificate(subject: BlockHeader, signers: Iterable[int] = (0, 1, 2), view: int = 0) -> CommitCertificate:
    """Return a certificate with the commits of some validators."""
    vote = vote_for(subject, VoteKind.COMMIT, view)
    return CommitCertificate(
        era=vote.era,
        view=vote.view,
        height=vote.height,
        digest=vote.digest,
        commits=tuple(proof_of(vote, signer, chain_id=subject.chain_id) for signer in signers),
    )


def prepared_certificate(
    subject: BlockHeader, *, primary: int = 0, backups: Iterable[int] = (1, 2), view: int = 0
) -> PreparedCertificate:
    """Return a certificate with the primary's pre-prepare and the prepares of some backups."""
    prepare = vote_for(subject, VoteKind.PREPARE, view)
    return PreparedCertificate(
        header=subject,
        view=View(view),
        pre_prepare=proof_of(vote_for(subject, VoteKind.PRE_PREPARE, view), primary, chain_id=subject.chain_id),
        prepares=tuple(proof_of(prepare, backup, chain_id=subject.chain_id) for backup in backups),
    )


def unsigned_descriptor(number: int) -> OrganisationDescriptor:
    """Return what an organisation with one validator contributes to genesis, before it is signed."""
    public = validator(number)
    return OrganisationDescriptor(
        organisation=public.organisation,
        operator_key=key(f"operator {number}").public.hex(),
        validators=(
            ValidatorDescriptor(
                vote_key=public.vote_key.hex(),
                service_key=public.service_key.hex(),
                log_head_key=public.log_head_key.hex(),
                link_certificate=public.link_certificate.hex(),
                link_address=f"validator-{number}.example:7000",
                rest_url=f"https://validator-{number}.example:7001",
            ),
        ),
    )


def descriptor_keys(number: int) -> tuple[SigningKey, ...]:
    """Return the keys that sign a descriptor, in the order of its proofs of possession."""
    return (key(f"operator {number}"), vote_key(number), key(f"service {number}"), key(f"log-head {number}"))


def descriptor(number: int) -> OrganisationDescriptor:
    """Return what an organisation with one validator contributes to genesis."""
    return unsigned_descriptor(number).sign(descriptor_keys(number))


def genesis_file(organisations: int = 4, parameters: ChainParameters | None = None) -> bytes:
    """Return the bytes of a genesis file in which each organisation runs one validator."""
    return assemble(
        tuple(descriptor(number) for number in range(organisations)),
        chain="test-chain",
        time=GENESIS_TIME,
        parameters=parameters or ChainParameters(),
    )


def genesis(organisations: int = 4) -> Genesis:
    """Return a genesis in which each organisation runs one validator."""
    return Genesis(genesis_file(organisations))
