"""The demo from beginning to end; exit code 0 only if everything that it claims has held."""

import shutil
import signal
import tempfile
from enum import IntEnum
from pathlib import Path
from types import FrameType

import torch

from quorate.demo.audit import audit, show_lineage
from quorate.demo.baselines import centralised, plain_average
from quorate.demo.claims import Claim
from quorate.demo.consortium import (
    Scene,
    enrol_hospitals,
    register_task,
    set_scene,
    start_validators,
    wait_for_validators,
)
from quorate.demo.script import ABSENT_ROUND, ROUNDS, TASK
from quorate.demo.stage import Stage
from quorate.demo.training_day import run_rounds
from quorate.files import claim_folder
from quorate.plain_text import Table


class End(IntEnum):
    """How the demo ended: its exit code."""

    HELD = 0
    FAILED = 1
    INTERRUPTED = 130


STEPS = 5 + ROUNDS
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CLOSE = 0.05
"""How near to centralised training the robust rule must come, in accuracy."""
FAR = 0.2
"""How far it must be above plain averaging."""


def tell(keep: Path | None) -> int:
    """Run the demo in a folder of its own, or in `keep`, which is then left with the network running."""
    torch.set_num_threads(1)
    for number in ENDING:
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="quorate-demo-")) if keep is None else keep.resolve()
    if keep is not None:
        claim_folder(folder)
    stage = Stage(steps=STEPS)
    scene: Scene | None = None
    end = End.FAILED
    try:
        with stage.curtain():
            scene = set_scene(folder, stage)
            end = End.HELD if _acts(scene, stage) else End.FAILED
    except KeyboardInterrupt:
        stage.console.print("\ninterrupted; stopping what was started")
        end = End.INTERRUPTED
    finally:
        _ignore_signals()
        if scene is not None and (keep is None or end is not End.HELD):
            scene.network.stop_all()
        if keep is None and end is not End.FAILED:
            shutil.rmtree(folder, ignore_errors=True)
        elif end is not End.HELD:
            stage.console.print(f"the logs and all else are left in {folder}", soft_wrap=True)
    if end is End.HELD and scene is not None:
        _say_what_next(stage, scene, kept=keep is not None)
    return end


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """Let nothing come between the demo and ending what it started; whoever is impatient waits for the validators."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _acts(scene: Scene, stage: Stage) -> bool:
    start_validators(scene, stage)
    together, average = centralised(scene.shares, scene.test), plain_average(scene.shares, scene.test)
    wait_for_validators(scene, stage)
    enrol_hospitals(scene, stage)
    register_task(scene, stage)
    reached = run_rounds(scene, stage)
    folder = audit(scene, stage)
    show_lineage(scene, folder, stage)
    _check_learning(stage, reached, together, average)
    return stage.verdict()


def _check_learning(stage: Stage, reached: list[float], together: list[float], average: list[float]) -> None:
    stage.scene("Accuracy on the test share, by round, one of six hospitals hostile")
    stage.say("this chain: trimmed mean; plain averaging: the same attack; centralised: all patients in one place")
    results = {"this chain": reached, "plain average": average, "centralised": together}
    rows = [(title, *(f"{value:.3f}" for value in values)) for title, values in results.items()]
    stage.show(Table(columns=("", *map(str, range(1, ROUNDS + 1))), rows=rows))
    stage.check(
        Claim.NEUTRALISED,
        held=reached[-1] > max(average[-1] + FAR, together[-1] - CLOSE),
        detail=f"accuracy {reached[-1]:.3f}; plain averaging {average[-1]:.3f}, centralised {together[-1]:.3f}",
    )


def _say_what_next(stage: Stage, scene: Scene, *, kept: bool) -> None:
    stage.console.print(f"\nDone in {stage.seconds:.0f} s. What to try next:")
    lines = ["quorate demo --keep DIR    the same, with network and folders left in place", "quorate --help"]
    if kept:
        url, genesis = scene.urls[0], scene.network.genesis
        lines = [
            f"quorate status --node {url}",
            f"quorate blocks --node {url}",
            f"quorate round {TASK} {ABSENT_ROUND} --node {url}",
            f"quorate lineage {TASK} --node {url} --genesis {genesis}",
            f"quorate verify --from {scene.folder / 'export'} --genesis {genesis}",
            f"quorate network down --dir {scene.network.folder}",
        ]
    for line in lines:
        stage.console.print(f"  {line}", soft_wrap=True, markup=False)
