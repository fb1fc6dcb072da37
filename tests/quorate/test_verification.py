"""Verifying an export: what holds is verified, and what is missing is named and never called tampered."""

import shutil
import socket
from pathlib import Path

import pytest

from contracts import queries
from ledger.errors import ConfigurationError
from ledger.quantities import Height, ModelVersion
from quorate import verification
from quorate.chain_folder import ChainFolder, ChainFolderWriter, block_name
from quorate.errors import EvidenceMissing, NotOnChain
from quorate.verdicts import Outcome, Request, verify
from quorate.verification import Step
from tests.consortium import consortium
from tests.quorate.commands import Commands
from tests.quorate.evidence import change_block, remove_blob, update_digest, verdict_on
from tests.quorate.trained import ROUNDS, TASK, VOID_ROUND, TrainedChain

MODELS = ROUNDS - 1
"""Global models beside the initial one: one round is void."""


def test_everything_is_verified(exported: Path, chain: TrainedChain) -> None:
    verdict = verdict_on(exported, trusted=chain.members.genesis)
    assert (verdict.outcome, verdict.errors, verdict.report.current) == (Outcome.VERIFIED, (), None)
    passed = verdict.report.passed
    assert passed[Step.BLOCKS] == passed[Step.CONTRACTS] == chain.height
    assert passed[Step.ATTESTATIONS] == passed[Step.COMMITTEE] == passed[Step.INPUTS] == MODELS
    assert (passed[Step.RECIPE], passed[Step.BLOBS]) == (MODELS + 1, len(chain.blobs))


def test_what_was_verified_is_returned(exported: Path, chain: TrainedChain) -> None:
    values = verdict_on(exported).values
    assert values["chain_id"] == chain.chain_id.hex()
    assert (values["height"], values["head"]) == (chain.height, chain.tip.header.digest.hex())
    assert (values["log_size"], values["log_root"]) == (chain.tip.header.log_size, chain.tip.header.log_root.hex())
    assert [model["version"] for model in values["models"]] == list(range(MODELS + 1))
    assert values["models"][-1]["model"] == chain.task.model.hex()
    assert VOID_ROUND not in [model["round"] for model in values["models"]]


def test_verifying_an_export_opens_no_socket(
    commands: Commands, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    ran = commands("verify", "--from", exported, "--genesis", exported / "genesis.json")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "VERIFIED")


def test_without_replay_no_blob_is_needed(copy: Path) -> None:
    shutil.rmtree(copy / "blobs")
    verdict = verdict_on(copy, replay=False)
    assert verdict.outcome is Outcome.VERIFIED
    assert not verdict.report.passed.keys() & {Step.BLOBS, Step.RECIPE}


def test_rules_of_a_later_release_are_left_to_that_release(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "PROTOCOLS_KNOWN", frozenset({0}))
    verdict = verdict_on(exported)
    assert verdict.outcome is Outcome.UNDECIDED
    assert "protocol version of block 1: expected one of [0]" in str(verdict.errors[0])


def test_one_model_is_verified_by_itself(exported: Path) -> None:
    verdict = verdict_on(exported, version=3)
    assert [model["version"] for model in verdict.values["models"]] == [3]
    assert verdict.report.passed[Step.RECIPE] == 1


def test_the_initial_model_has_its_view_checked(exported: Path) -> None:
    verdict = verdict_on(exported, version=0)
    assert verdict.outcome is Outcome.VERIFIED
    assert (verdict.report.passed[Step.RECIPE], verdict.report.passed[Step.BLOBS]) == (1, 2)


def test_a_model_without_version_is_the_newest(exported: Path) -> None:
    verdict = verify(ChainFolder(exported), Request(trusted=None, replay=False, model=(TASK, None)))
    assert [model["version"] for model in verdict.values["models"]] == [MODELS]


@pytest.mark.parametrize("model", [(TASK, MODELS + 1), ("lungs", None), ("lungs", 0)])
def test_a_model_that_is_not_on_the_chain_is_no_verdict(exported: Path, model: tuple[str, int | None]) -> None:
    with pytest.raises(NotOnChain):
        verify(ChainFolder(exported), Request(trusted=None, replay=True, model=model))


def test_a_chain_of_genesis_alone_is_verified(tmp_path: Path) -> None:
    ChainFolderWriter(tmp_path / "chain", consortium().genesis).finish()
    verdict = verdict_on(tmp_path / "chain")
    assert (verdict.outcome, verdict.values["height"], verdict.values["models"]) == (Outcome.VERIFIED, 0, [])


def test_a_descendants_certificate_is_enough(copy: Path, chain: TrainedChain) -> None:
    for height in range(1, chain.height):
        change_block(copy, height, certificate=None)
    verdict = verdict_on(copy)
    assert verdict.outcome is Outcome.VERIFIED
    assert verdict.report.passed[Step.CERTIFICATES] == 2, "that of the head, and that the head has one"


def test_a_missing_input_is_undecided_and_named(copy: Path, chain: TrainedChain) -> None:
    digest = update_digest(chain, 1, 1)
    remove_blob(copy, digest)
    verdict = verdict_on(copy)
    (error,) = verdict.errors
    assert verdict.outcome is Outcome.UNDECIDED
    assert (error.what, error.expected) == (f"recomputing {TASK}@1", f"blobs {digest.hex()}")
    assert [model["version"] for model in verdict.values["models"]] == [0, *range(2, MODELS + 1)]
    assert verdict.report.lacking == {Step.BLOBS, Step.RECIPE}


def test_a_missing_base_leaves_the_next_model_undecided(copy: Path, chain: TrainedChain) -> None:
    base = queries.model(chain.state, TASK, ModelVersion(2))
    assert base is not None
    remove_blob(copy, base.model)
    (error,) = verdict_on(copy).errors
    assert error.what == f"recomputing {TASK}@3"


def test_a_missing_layout_leaves_every_model_undecided(copy: Path, chain: TrainedChain) -> None:
    remove_blob(copy, chain.task.spec.layout)
    verdict = verdict_on(copy)
    assert (verdict.outcome, len(verdict.errors)) == (Outcome.UNDECIDED, MODELS + 1)


def test_outputs_need_not_be_there_since_they_are_recomputed(copy: Path, chain: TrainedChain) -> None:
    newest = queries.model(chain.state, TASK, chain.task.version)
    assert newest is not None
    remove_blob(copy, newest.model)
    remove_blob(copy, newest.report)
    assert verdict_on(copy).outcome is Outcome.VERIFIED


def test_a_missing_block_is_undecided_and_named(copy: Path) -> None:
    (copy / block_name(Height(7))).unlink()
    verdict = verdict_on(copy)
    assert verdict.outcome is Outcome.UNDECIDED
    assert "00000007.block" in str(verdict.errors[0])
    assert verdict.report.passed[Step.CONTRACTS] == 6


def test_a_head_without_certificate_is_undecided(copy: Path, chain: TrainedChain) -> None:
    change_block(copy, chain.height, certificate=None)
    verdict = verdict_on(copy)
    assert verdict.outcome is Outcome.UNDECIDED
    assert f"to {chain.height}: expected a commit certificate" in str(verdict.errors[0])


def test_an_empty_folder_is_undecided(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path)
    assert verdict.outcome is Outcome.UNDECIDED
    assert "genesis.json" in str(verdict.errors[0])


def test_a_folder_that_claims_a_far_height_is_undecided(copy: Path) -> None:
    (copy / "blocks" / "00000" / "999999999999999999.block").write_bytes(b"")
    verdict = verdict_on(copy)
    assert verdict.outcome is Outcome.UNDECIDED
    assert isinstance(verdict.errors[0], EvidenceMissing)


def test_no_folder_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        ChainFolder(tmp_path / "nothing")
