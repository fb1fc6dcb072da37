"""The auditor's part: export, verify offline from genesis, recompute every model, and flip bytes in copies."""

import shutil
from pathlib import Path

from ledger.genesis import Genesis
from quorate.chain_folder import ChainFolder
from quorate.demo.claims import Claim
from quorate.demo.consortium import Scene
from quorate.demo.hospitals import RUNNING
from quorate.demo.script import ROUNDS, TASK
from quorate.demo.stage import Stage
from quorate.exporting import export_chain
from quorate.files import load_any_key
from quorate.lineage import trace, tree
from quorate.node_source import NodeSource
from quorate.replayed_view import ReplayedView
from quorate.verdicts import Outcome, Request, Verdict, verify


def audit(scene: Scene, stage: Stage) -> Path:
    """Export the chain, verify it, and show that tampering is found; return the exported folder."""
    stage.scene("An auditor exports the chain and verifies it offline, from genesis")
    genesis = Genesis(scene.network.genesis.read_bytes())
    folder = scene.folder / "export"
    _, key = load_any_key(scene.operator_key(RUNNING[0]))
    with NodeSource(scene.urls[0], key=key) as source:
        exported = export_chain(source, folder, trusted=genesis, with_blobs=True)
    stage.say(f"{exported.height} blocks and {exported.blobs} blobs in {folder}")
    for digest in exported.missing:
        stage.say(f"blob {digest[:12]}, an update that no round accepted, is not given to other members")
    verdict = _verify(folder, genesis)
    models = verdict.values.get("models", [])
    made = [model for model in models if model["version"] > 0]
    stage.say(f"{verdict.outcome}: {exported.height} blocks re-executed, {len(made)} global models recomputed")
    stage.check(
        Claim.VERIFIED,
        held=verdict.outcome is Outcome.VERIFIED and len(made) == ROUNDS,
        detail="; ".join([f"{exported.height} blocks, {len(made)} models", *map(str, verdict.errors)]),
    )
    _tamper(folder, genesis, stage)
    return folder


def show_lineage(scene: Scene, folder: Path, stage: Stage) -> None:
    """Show how the last model came about."""
    stage.scene("Where the last model comes from")
    genesis = Genesis(scene.network.genesis.read_bytes())
    view = ReplayedView(ChainFolder(folder), trusted=genesis, height=None, transaction=None)
    stage.show(tree(trace(view, TASK, None, depth=2)))


def _tamper(folder: Path, genesis: Genesis, stage: Stage) -> None:
    """Change one byte in a copy of a block, and in a copy of a blob."""
    blocks = sorted(path for path in (folder / "blocks").rglob("*") if path.is_file())
    blobs = sorted(path for path in (folder / "blobs").rglob("*") if path.is_file())
    chosen = {Claim.BLOCK_TAMPERED: blocks[len(blocks) // 2], Claim.BLOB_TAMPERED: blobs[len(blobs) // 2]}
    for claim, file in chosen.items():
        copy = folder.with_name("tampered")
        shutil.copytree(folder, copy)
        target = copy / file.relative_to(folder)
        data = bytearray(target.read_bytes())
        place = len(data) // 2
        data[place] ^= 1
        target.write_bytes(data)
        verdict = _verify(copy, genesis)
        found = "; ".join(map(str, verdict.errors))
        stage.say(f"byte {place} of {file.relative_to(folder)} changed in a copy: {verdict.outcome}")
        stage.check(claim, held=verdict.outcome is Outcome.TAMPERED, detail=found)
        shutil.rmtree(copy)


def _verify(folder: Path, genesis: Genesis) -> Verdict:
    return verify(ChainFolder(folder), Request(trusted=genesis, replay=True))
