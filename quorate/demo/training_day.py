"""The eight rounds: everybody trains and submits, one lies, one is away, and a validator is killed.

The hospitals are six keys in this one process, so that torch is loaded once; each has its own connection and talks to
another validator every round. They submit at the same time, in threads.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import torch

from ledger.errors import QuorateError
from participant.receipts import Receipt
from participant.round import Round
from quorate.demo.baselines import flipped
from quorate.demo.consortium import Scene
from quorate.demo.hospitals import ABSENT, HOSTILE, accuracy, new_model, train
from quorate.demo.script import (
    ABSENT_ROUND,
    KILL_ROUND,
    NORM_MAX,
    RESTART_ROUND,
    ROUNDS,
    TASK,
    TOO_LONG_ROUND,
    seed_of,
)
from quorate.demo.stage import Stage

PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 60.0
"""Far longer than anything takes: after it the demo gives up and says so."""


@dataclass(slots=True)
class Day:
    """What happened, for the checks and the tables."""

    accuracy: list[float] = field(default_factory=list)
    """Of the global model after each round, on the test share."""
    killed: int | None = None
    """Place of the validator that was killed."""
    height_at_kill: int = 0
    height_at_restart: int = 0
    decided: int = 0
    """Rounds that made a global model."""
    voted_again: int | None = None
    """Height of the first block for which the killed validator's own certificate carries its vote again."""


def run_rounds(scene: Scene, stage: Stage) -> Day:
    """Run all rounds; problems of a single site are shown and end only its part in that round."""
    day = Day()
    with ThreadPoolExecutor(max_workers=len(scene.shares)) as pool:
        for number in range(1, ROUNDS + 1):
            stage.scene(f"Round {number} of {ROUNDS}")
            _wait_for_round(scene, day, number)
            if number == RESTART_ROUND:
                _restart(scene, stage, day)
            _play(scene, stage, day, number, pool)
            _finish(scene, stage, day, number)
            if number == RESTART_ROUND:
                _see_it_catch_up(scene, stage, day)
            if number >= RESTART_ROUND:
                _look_for_votes(scene, stage, day)
    return day


def _play(scene: Scene, stage: Stage, day: Day, number: int, pool: ThreadPoolExecutor) -> None:
    """Let the hospitals train and submit, half of them before whatever happens in this round, half after."""
    hospitals = [name for name in scene.shares if not (name == ABSENT and number == ABSENT_ROUND)]
    half = len(hospitals) // 2
    for group in (hospitals[:half], hospitals[half:]):
        work = [
            pool.submit(_take_part, scene, stage, hospital, number, _first_node(scene, hospital, number))
            for hospital in group
        ]
        for done in work:
            done.result()
        if number == KILL_ROUND and day.killed is None:
            _kill_primary(scene, stage, day)


def _first_node(scene: Scene, hospital: str, number: int) -> int:
    return (list(scene.shares).index(hospital) + number) % len(scene.urls)


def _take_part(scene: Scene, stage: Stage, hospital: str, number: int, first: int) -> None:
    """Pull the global model, train, submit, and say what became of it."""
    try:
        with scene.site(hospital, first=first) as consortium, consortium.task(TASK).round(timeout=10.0) as open_round:
            model = new_model()
            open_round.load_into(model)
            train(model, scene.shares[hospital], seed=seed_of(hospital, number))
            if hospital == HOSTILE:
                receipt = _attack(open_round, model, number, stage)
            else:
                receipt = open_round.submit(model.state_dict(), num_examples=len(scene.shares[hospital]))
            _tell(stage, hospital, receipt, first)
    except QuorateError as error:
        stage.say(f"{hospital}: {error}")


def _attack(open_round: Round, model: torch.nn.Module, number: int, stage: Stage) -> Receipt:
    """Send an update over the norm bound, once, and sign-flipped ones just inside it ever after."""
    base = open_round.global_model()
    delta = flipped({name: values - base[name] for name, values in model.state_dict().items()})
    if number == TOO_LONG_ROUND:
        longer = {name: base[name] + 10 * values for name, values in delta.items()}
        receipt = open_round.submit(longer, num_examples=40, clip=False)
        stage.check(
            f"an update over the norm bound is refused by rule U12 (bound {NORM_MAX})",
            held=receipt.rule == "U12",
            detail=receipt.why(),
        )
        stage.say(f"{HOSTILE}: {receipt.why()}")
    return open_round.submit({name: base[name] + values for name, values in delta.items()}, num_examples=40)


def _tell(stage: Stage, hospital: str, receipt: Receipt, first: int) -> None:
    lie = " (sign-flipped, inside the bound)" if hospital == HOSTILE and receipt.accepted else ""
    stage.say(f"{hospital:<11} via validator {first}: {receipt.why()}{lie}")


def _wait_for_round(scene: Scene, day: Day, number: int) -> None:
    _until(lambda: _current_round(scene, day) >= number, f"round {number}")


def _finish(scene: Scene, stage: Stage, day: Day, number: int) -> None:
    """Wait for the round's global model, pull it, and test it."""
    _until(lambda: _status_of_round(scene, day, number) in {"decided", "void"}, f"the end of round {number}")
    found = scene.get(f"/v1/tasks/{TASK}/rounds/{number}", node=_alive(day))
    if number == ABSENT_ROUND:
        _check_absentee(scene, stage, found)
    with scene.site(next(iter(scene.shares)), first=_alive(day)) as consortium:
        model = new_model()
        consortium.task(TASK).global_model().load_into(model)
    day.accuracy.append(accuracy(model, scene.test))
    fates = Counter(item["fate"] for item in found["participations"].values())
    record = found["round"]
    made = f"global model block {record['decided_height']}" if record["status"] == "decided" else "no global model"
    told = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
    stage.say(f"{made}: {told}; committee {record['committee']}; accuracy {day.accuracy[-1]:.3f}")
    day.decided += record["status"] == "decided"


def _check_absentee(scene: Scene, stage: Stage, found: dict[str, object]) -> None:
    participations, record = found["participations"], found["round"]
    assert isinstance(participations, dict)
    assert isinstance(record, dict)
    fate = participations[str(scene.numbers[ABSENT])]["fate"]
    block = scene.get(f"/v1/blocks/{record['closed_height']}", node=0)
    at_deadline = block["header"]["time"] >= record["deadline"]
    stage.check(
        f"{ABSENT} missed round {ABSENT_ROUND}: recorded as absent, and the round closed at its deadline all the same",
        held=fate == "absent" and at_deadline and record["status"] == "decided",
        detail=f"fate {fate}, closed {block['header']['time'] - record['deadline']} ms after the deadline",
    )


def _kill_primary(scene: Scene, stage: Stage, day: Day) -> None:
    """Kill the process that leads consensus, in the middle of a round."""
    status = scene.get("/v1/status", node=0)
    day.killed, day.height_at_kill = int(status["primary"]), int(status["height"])
    scene.network.kill(day.killed)
    stage.say(f"SIGKILL for validator {day.killed}, the primary of view {status['view']}, at height {status['height']}")


def _restart(scene: Scene, stage: Stage, day: Day) -> None:
    """Start the killed validator again: from its vote log, its database, and its peers' certified blocks."""
    assert day.killed is not None
    others = scene.get("/v1/status", node=_alive(day))
    stage.check(
        "the others changed the view and went on without the killed primary",
        held=others["view"] > 0 and others["height"] > day.height_at_kill,
        detail=f"view {others['view']}, height {day.height_at_kill} to {others['height']}",
    )
    day.height_at_restart = int(others["height"])
    scene.network.start(day.killed)
    stage.say(f"validator {day.killed} starts again, {day.height_at_restart - day.height_at_kill} blocks behind")


def _see_it_catch_up(scene: Scene, stage: Stage, day: Day) -> None:
    """Wait until the restarted validator is where the others are."""
    killed = day.killed
    assert killed is not None
    scene.network.wait_ready(killed)
    goal = scene.get("/v1/status", node=_alive(day))["height"]
    _until(lambda: scene.get("/v1/status", node=killed)["height"] >= goal, "the restarted validator")
    stage.say(f"validator {killed} has caught up to height {goal}")


def _look_for_votes(scene: Scene, stage: Stage, day: Day) -> None:
    """Look, at the restarted validator itself, for a certificate that carries its own vote."""
    if day.killed is None or day.voted_again is not None:
        return
    head = scene.get("/v1/status", node=day.killed)["height"]
    for height in range(day.height_at_restart + 1, head + 1):
        certificate = scene.get(f"/v1/blocks/{height}", node=day.killed)["certificate"]
        if any(commit["validator"] == day.killed for commit in certificate["commits"]):
            day.voted_again = height
            stage.say(f"validator {day.killed} votes again: its COMMIT is in its certificate of block {height}")
            return


def _current_round(scene: Scene, day: Day) -> int:
    return int(scene.get(f"/v1/tasks/{TASK}", node=_alive(day))["round"])


def _status_of_round(scene: Scene, day: Day, number: int) -> str:
    return str(scene.get(f"/v1/tasks/{TASK}/rounds/{number}", node=_alive(day))["round"]["status"])


def _alive(day: Day) -> int:
    """Return a validator that was never killed."""
    return 0 if day.killed != 0 else 1


def _until(condition: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s for {what}")
        time.sleep(PAUSE_SECONDS)
