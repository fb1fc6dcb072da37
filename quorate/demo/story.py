"""The demo from beginning to end; exit code 0 only if everything that it claims has held."""

import shutil
import tempfile
from pathlib import Path

import torch
from rich.table import Table

from quorate.demo.audit import audit, show_lineage
from quorate.demo.baselines import centralised, plain_average
from quorate.demo.consortium import (
    Scene,
    enrol_hospitals,
    register_task,
    set_scene,
    start_validators,
    wait_for_validators,
)
from quorate.demo.script import ROUNDS, TASK
from quorate.demo.stage import Stage
from quorate.demo.training_day import Day, run_rounds
from quorate.files import claim_folder

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
STEPS = 5 + ROUNDS
CLOSE = 0.05
"""How near to centralised training the robust rule must come, in accuracy."""


def tell(keep: Path | None) -> int:
    """Run the demo in a folder of its own, or in `keep`, which is then left with the network running."""
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="quorate-demo-")) if keep is None else keep.resolve()
    if keep is not None:
        claim_folder(folder)
    stage = Stage(steps=STEPS)
    scene: Scene | None = None
    held = False
    try:
        with stage.curtain():
            scene = set_scene(folder, stage)
            held = _acts(scene, stage)
    except KeyboardInterrupt:
        stage.console.print("\ninterrupted; stopping what was started")
        return EXIT_INTERRUPTED
    finally:
        _clean_up(scene, folder, keep=keep is not None and held)
    _say_what_next(stage, scene, keep if held else None)
    return 0 if held else EXIT_FAILED


def _acts(scene: Scene, stage: Stage) -> bool:
    start_validators(scene, stage)
    together, average = centralised(scene.shares, scene.test), plain_average(scene.shares, scene.test)
    wait_for_validators(scene, stage)
    enrol_hospitals(scene, stage)
    register_task(scene, stage)
    day = run_rounds(scene, stage)
    folder = audit(scene, stage)
    show_lineage(scene, folder, stage)
    _check_learning(stage, day, together, average)
    return stage.verdict()


def _check_learning(stage: Stage, day: Day, together: list[float], average: list[float]) -> None:
    stage.scene("Accuracy on the test share, by round, one of six hospitals hostile")
    stage.say("this chain: trimmed mean; plain averaging: the same attack; centralised: all patients in one place")
    table = Table()
    table.add_column("")
    for number in range(1, ROUNDS + 1):
        table.add_column(str(number), justify="right")
    rows = (
        ("this chain", day.accuracy),
        ("plain averaging", average),
        ("centralised", together),
    )
    for title, values in rows:
        table.add_row(title, *(f"{value:.3f}" for value in values))
    stage.show(table)
    stage.check(
        "the killed validator caught up and votes again",
        held=day.voted_again is not None,
        detail="" if day.voted_again is None else f"block {day.voted_again}",
    )
    stage.check(f"all {ROUNDS} rounds made a global model", held=day.decided == ROUNDS)
    stage.check(
        "the attack is neutralised: far above plain averaging, close to centralised training",
        held=day.accuracy[-1] > max(average[-1], together[-1] - CLOSE),
        detail=f"{day.accuracy[-1]:.3f}, {average[-1]:.3f}, {together[-1]:.3f}",
    )


def _clean_up(scene: Scene | None, folder: Path, *, keep: bool) -> None:
    if scene is not None and not keep:
        scene.network.stop_all()
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def _say_what_next(stage: Stage, scene: Scene, keep: Path | None) -> None:
    print_ = stage.console.print
    print_(f"\nDone in {stage.seconds:.0f} s. What to try next:")
    if keep is None:
        print_("  quorate demo --keep DIR        the same, with network and folders left in place")
        print_("  quorate --help                 everything else")
        return
    url, genesis = scene.urls[0], scene.network.genesis
    print_(f"  quorate node status --node {url}")
    print_(f"  quorate lineage {TASK} --node {url} --genesis {genesis}")
    print_(f"  quorate verify --from {scene.folder / 'export'} --genesis {genesis}")
    print_(f"  quorate network down --dir {scene.network.folder}")
