"""The auditor's part: export, verify offline from genesis, recompute every model, and flip bytes in copies."""

import shutil
from pathlib import Path

from ledger.genesis import Genesis
from quorate.chain_folder import ChainFolder
from quorate.demo.consortium import Scene
from quorate.demo.hospitals import RUNNING
from quorate.demo.script import ROUNDS, TASK
from quorate.demo.stage import Stage
from quorate.exporting import export_chain
from quorate.files import load_any_key
from quorate.lineage import trace, tree
from quorate.node_source import NodeSource
from quorate.replayed_view import ReplayedView
from quorate.terminal import print_shown
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
    verdict = _verify(folder, genesis)
    models = verdict.values.get("models", [])
    made = [model for model in models if model["version"] > 0]
    stage.say(f"{verdict.outcome}: {exported.height} blocks re-executed, {len(made)} global models recomputed")
    stage.check(
        f"the exported chain verifies from genesis, and all {ROUNDS} global models are recomputed bit for bit",
        held=verdict.outcome is Outcome.VERIFIED and len(made) == ROUNDS and not exported.missing,
        detail="; ".join(map(str, verdict.errors)),
    )
    _tamper(folder, genesis, stage)
    return folder


def show_lineage(scene: Scene, folder: Path, stage: Stage) -> None:
    """Show how the last model came about."""
    stage.scene("Where the last model comes from")
    genesis = Genesis(scene.network.genesis.read_bytes())
    view = ReplayedView(ChainFolder(folder), trusted=genesis, height=None, transaction=None)
    print_shown([tree(trace(view, TASK, None, depth=2))])


def _tamper(folder: Path, genesis: Genesis, stage: Stage) -> None:
    """Flip one byte in a copy of a block, and in a copy of a blob."""
    blocks = sorted(path for path in (folder / "blocks").rglob("*") if path.is_file())
    blobs = sorted(path for path in (folder / "blobs").rglob("*") if path.is_file())
    for what, file in (("block", blocks[len(blocks) // 2]), ("blob", blobs[len(blobs) // 2])):
        copy = folder.with_name(f"tampered-{what}")
        shutil.copytree(folder, copy)
        target = copy / file.relative_to(folder)
        data = bytearray(target.read_bytes())
        place = len(data) // 2
        data[place] ^= 1
        target.write_bytes(data)
        verdict = _verify(copy, genesis)
        found = "; ".join(map(str, verdict.errors))
        stage.say(f"one bit of {file.relative_to(folder)} flipped in a copy: {verdict.outcome}")
        stage.say(f"   {found[:200]}")
        stage.check(f"a flipped bit in a {what} is detected", held=verdict.outcome is Outcome.TAMPERED, detail="")
        shutil.rmtree(copy)


def _verify(folder: Path, genesis: Genesis) -> Verdict:
    return verify(ChainFolder(folder), Request(trusted=genesis, replay=True))
