"""Whatever is changed in an export is found, whoever changed it: a byte, a block, or more validators than tolerated."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from aggregation.aggregate import Outcome as Aggregated
from aggregation.update_file import update_facts
from contracts import queries
from ledger import state_keys
from ledger.blobs import BlobFacts
from ledger.certificates import CertifiedBlock
from ledger.encoding import decode, encode, encode_integer
from ledger.errors import InvalidBlock, InvalidCertificate
from ledger.hashing import sha256
from ledger.quantities import Height, ModelVersion, RoundNumber, ValidatorId
from ledger.records import GlobalModelRecord, RoundRecord
from quorate.chain_folder import ChainFolder, blob_name, block_name
from quorate.errors import (
    AttestationsDiffer,
    BlobDiffers,
    CommitteeDiffers,
    FactsDiffer,
    GenesisDiffers,
    InputsDiffer,
    ModelDiffers,
)
from quorate.model_verification import verify_model
from quorate.verdicts import Outcome
from quorate.verification import ReplayedChain, Report, Step, verify_chain
from tests.consortium import consortium
from tests.quorate.commands import Commands
from tests.quorate.evidence import change_block, remove_blob, update_digest, verdict_on
from tests.quorate.trained import LAYOUT, REFUSED, TASK, TrainedChain

FLIPS = 24
"""Places in each file that is flipped."""


def flipped(file: Path, place: int, of: int) -> None:
    """Change one bit of one byte, so that `of` calls go through the whole file."""
    data = bytearray(file.read_bytes())
    at = min(len(data) - 1, place * len(data) // of)
    data[at] ^= 1 << place % 8
    file.write_bytes(data)


# One byte


@pytest.mark.parametrize("place", range(FLIPS))
@pytest.mark.parametrize("height", [2, 8, 35])
def test_a_flipped_byte_of_a_block_is_found(copy: Path, height: int, place: int) -> None:
    flipped(copy / block_name(Height(height)), place, FLIPS)
    verdict = verdict_on(copy, replay=False)
    assert verdict.outcome is Outcome.TAMPERED
    step, subject = verdict.report.current or (None, "")
    assert step in {Step.BLOCKS, Step.CONTRACTS, Step.CERTIFICATES}
    assert subject == f"block {height}"
    assert str(verdict.errors[0])


@pytest.mark.parametrize("place", range(FLIPS))
def test_a_flipped_byte_of_the_genesis_is_found(copy: Path, chain: TrainedChain, place: int) -> None:
    flipped(copy / "genesis.json", place, FLIPS)
    assert verdict_on(copy, replay=False).outcome is Outcome.TAMPERED
    assert verdict_on(copy, trusted=chain.members.genesis).report.current is not None


@pytest.mark.parametrize("place", range(FLIPS))
def test_a_flipped_byte_of_a_certificate_is_found(copy: Path, place: int) -> None:
    file = copy / block_name(Height(7))
    certified = decode(file.read_bytes(), CertifiedBlock)
    length = len(encode(certified.certificate))
    data = bytearray(file.read_bytes())
    data[len(data) - length + place * length // FLIPS] ^= 1
    file.write_bytes(data)
    assert verdict_on(copy, replay=False).outcome is Outcome.TAMPERED


def test_a_flipped_byte_of_any_blob_is_found_and_the_blob_is_named(copy: Path, chain: TrainedChain) -> None:
    for place, (digest, data) in enumerate(chain.blobs.items()):
        file = copy / blob_name(digest)
        flipped(file, place, len(chain.blobs))
        verdict = verdict_on(copy)
        assert verdict.outcome is Outcome.TAMPERED, digest.hex()
        assert isinstance(verdict.errors[0], BlobDiffers)
        assert verdict.errors[0].expected == digest.hex()
        file.write_bytes(data)
    assert verdict_on(copy).outcome is Outcome.VERIFIED


@pytest.mark.parametrize("length", [0, -1, 1])
def test_a_blob_of_another_length_is_found(copy: Path, chain: TrainedChain, length: int) -> None:
    file = copy / blob_name(chain.task.model)
    data = file.read_bytes()
    file.write_bytes(data + b"\0" if length > 0 else data[:length])
    assert verdict_on(copy).outcome is Outcome.TAMPERED


def test_the_command_says_what_differs_and_ends_with_1(commands: Commands, copy: Path, chain: TrainedChain) -> None:
    flipped(copy / blob_name(chain.task.model), 1, 2)
    ran = commands("verify", "--from", copy)
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "TAMPERED")
    assert f"error [blob-differs]: SHA-256 of the blob in the folder {copy}" in ran.err
    assert chain.task.model.hex() in ran.err
    assert "!!  8     blobs" in ran.out


# A piece


def test_another_trusted_genesis_is_a_contradiction(exported: Path) -> None:
    verdict = verdict_on(exported, trusted=consortium(validators=7).genesis)
    assert verdict.outcome is Outcome.TAMPERED
    assert isinstance(verdict.errors[0], GenesisDiffers)


def test_the_genesis_of_another_chain_is_a_contradiction(copy: Path) -> None:
    (copy / "genesis.json").write_bytes(consortium(validators=7).genesis.data)
    verdict = verdict_on(copy)
    assert verdict.outcome is Outcome.TAMPERED
    assert verdict.report.current == (Step.CONTRACTS, "block 1")


def test_a_certificate_of_another_block_is_a_contradiction(copy: Path, chain: TrainedChain) -> None:
    change_block(copy, 5, certificate=chain.certificate(chain.blocks[6].block.header))
    verdict = verdict_on(copy)
    assert isinstance(verdict.errors[0], InvalidCertificate)
    assert verdict.report.current == (Step.CERTIFICATES, "block 5")


def test_blocks_in_another_order_are_a_contradiction(copy: Path) -> None:
    first, second = copy / block_name(Height(4)), copy / block_name(Height(5))
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    verdict = verdict_on(copy)
    assert isinstance(verdict.errors[0], InvalidBlock)
    assert verdict.report.current == (Step.CONTRACTS, "block 4")


@pytest.mark.parametrize("field", ["state_root", "receipts_root", "log_root", "transactions_root", "next_validators"])
def test_a_header_that_lies_is_found_although_a_quorum_committed_to_it(
    copy: Path, chain: TrainedChain, field: str
) -> None:
    header = replace(chain.tip.header, **{field: sha256(b"a lie")})
    block = replace(chain.blocks[-1].block, header=header)
    change_block(copy, chain.height, block=block, certificate=chain.certificate(header))
    verdict = verdict_on(copy)
    assert isinstance(verdict.errors[0], InvalidBlock)
    assert str(verdict.errors[0]).startswith(field)


def test_an_update_in_place_of_another_is_found(copy: Path, chain: TrainedChain) -> None:
    own, other = update_digest(chain, 1, 1), update_digest(chain, 1, 2)
    (copy / blob_name(own)).write_bytes((copy / blob_name(other)).read_bytes())
    verdict = verdict_on(copy)
    assert isinstance(verdict.errors[0], BlobDiffers)


def test_tampering_outweighs_what_is_missing(copy: Path, chain: TrainedChain) -> None:
    remove_blob(copy, update_digest(chain, 1, 1))
    flipped(copy / blob_name(chain.task.model), 1, 2)
    assert verdict_on(copy).outcome is Outcome.TAMPERED


# More validators than are tolerated


class LyingCommittee(TrainedChain):
    """A chain whose committee attests what the recipe does not give."""

    def aggregated(self) -> Aggregated:
        honest = super().aggregated()
        base = queries.model(self.state, TASK, self.task.version)
        assert base is not None
        facts = replace(honest.model_facts, view=base.view)
        return Aggregated(
            model=base.model,
            model_facts=facts,
            server_state=honest.server_state,
            report=honest.report,
            report_digest=honest.report_digest,
            report_facts=honest.report_facts,
        )


class LyingHolders(TrainedChain):
    """A chain on which a quorum signs that the update over the bound is within it."""

    def store(self, data: bytes, facts: BlobFacts | None = None) -> bytes:
        if facts is None and self.blobs and data == self._over_bound():
            honest = update_facts(data, LAYOUT)
            return super().store(data, replace(honest, norm_squared=encode_integer(1)))
        return super().store(data, facts)

    def _over_bound(self) -> bytes | None:
        task = queries.task(self.state, TASK)
        return self.update_of(REFUSED[1]) if task is not None and task.round == REFUSED[0] else None


def test_a_model_that_the_recipe_does_not_give_is_found(tmp_path: Path) -> None:
    lying = LyingCommittee()
    lying.set_up()
    lying.train(range(1, 6))
    lying.attest()
    verdict = verdict_on(lying.export(tmp_path / "chain"))
    (error,) = verdict.errors
    assert verdict.outcome is Outcome.TAMPERED
    assert isinstance(error, ModelDiffers)
    assert error.what == f"model of {TASK}@1: recorded and recomputed"
    assert verdict.report.current == (Step.RECIPE, f"{TASK}@1")


def test_facts_that_a_quorum_signed_and_the_blob_does_not_have_are_found(tmp_path: Path) -> None:
    lying = LyingHolders()
    lying.set_up()
    for _ in range(REFUSED[0]):
        lying.train(range(1, 6))
        lying.attest()
    verdict = verdict_on(lying.export(tmp_path / "chain"))
    assert isinstance(verdict.errors[0], FactsDiffer)
    assert update_digest(lying, *REFUSED).hex() in str(verdict.errors[0])


# Records that contradict each other: contracts never write such, so their state is changed by hand


@pytest.fixture
def replayed(exported: Path) -> ReplayedChain:
    return verify_chain(ChainFolder(exported), trusted=None, report=Report())


def _change_model(replayed: ReplayedChain, version: int, **changes: object) -> None:
    key = state_keys.model(TASK, ModelVersion(version))
    record = decode(replayed.state.get(key) or b"", GlobalModelRecord)
    replayed.state.apply({key: encode(replace(record, **changes))})


def _change_round(replayed: ReplayedChain, number: int, **changes: object) -> None:
    key = state_keys.round_(TASK, RoundNumber(number))
    record = decode(replayed.state.get(key) or b"", RoundRecord)
    replayed.state.apply({key: encode(replace(record, **changes))})


def _check(replayed: ReplayedChain, version: int) -> None:
    verify_model(replayed, None, TASK, ModelVersion(version), report=Report())


@pytest.mark.parametrize("field", ["model", "view", "report", "base", "inputs_root", "server_state", "rule"])
def test_a_record_that_nobody_attested_is_found(replayed: ReplayedChain, field: str) -> None:
    _change_model(replayed, 2, **{field: sha256(b"another")})
    with pytest.raises(AttestationsDiffer):
        _check(replayed, 2)


def test_an_attester_that_did_not_attest_is_found(replayed: ReplayedChain) -> None:
    _change_model(replayed, 2, attesters=(ValidatorId(0), ValidatorId(1), ValidatorId(2)))
    with pytest.raises(AttestationsDiffer):
        _check(replayed, 2)


def test_too_few_attesters_are_found(replayed: ReplayedChain) -> None:
    record = queries.model(replayed.state, TASK, ModelVersion(2))
    assert record is not None
    last = state_keys.attestation(TASK, RoundNumber(2), record.attesters[-1])
    replayed.state.apply({last: None})
    _change_model(replayed, 2, attesters=record.attesters[:-1])
    with pytest.raises(AttestationsDiffer):
        _check(replayed, 2)


def test_an_attester_outside_the_committee_is_found(replayed: ReplayedChain) -> None:
    record = queries.round_record(replayed.state, TASK, RoundNumber(2))
    assert record is not None
    _change_round(replayed, 2, committee=record.committee[1:])
    with pytest.raises(AttestationsDiffer):
        _check(replayed, 2)


def test_a_committee_that_was_not_drawn_is_found(replayed: ReplayedChain) -> None:
    record = queries.round_record(replayed.state, TASK, RoundNumber(2))
    assert record is not None
    _change_round(replayed, 2, committee=(*record.committee[1:], record.committee[0]))
    with pytest.raises(CommitteeDiffers):
        _check(replayed, 2)


def test_inputs_of_another_weight_are_found(replayed: ReplayedChain) -> None:
    who, item = next(iter(queries.participations(replayed.state, TASK, RoundNumber(2)).items()))
    key = state_keys.participation(TASK, RoundNumber(2), who)
    replayed.state.apply({key: encode(replace(item, weight=item.weight + 1))})
    with pytest.raises(InputsDiffer, match="inputs root"):
        _check(replayed, 2)


def test_a_base_that_is_not_the_model_before_is_found(replayed: ReplayedChain) -> None:
    _change_model(replayed, 1, model=sha256(b"another"))
    with pytest.raises(InputsDiffer, match="base"):
        _check(replayed, 2)
