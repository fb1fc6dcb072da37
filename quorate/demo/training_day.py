"""The eight rounds: everybody trains and submits, one lies, one is away, and a validator is killed.

The hospitals submit at the same time, in threads; each talks to another validator every round.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from quorate.demo.claims import Claim
from quorate.demo.consortium import Scene, until
from quorate.demo.crash import Crash
from quorate.demo.hospitals import ABSENT, accuracy
from quorate.demo.script import ABSENT_ROUND, KILL_ROUND, RESTART_ROUND, ROUNDS, TASK
from quorate.demo.stage import Stage
from quorate.demo.taking_part import Sites


def run_rounds(scene: Scene, stage: Stage) -> list[float]:
    """Run all rounds; return each global model's accuracy on the test share.

    Problems of a single site are shown, and end only its part in that round.
    """
    sites = Sites(scene, stage)
    try:
        day = _TrainingDay(scene, stage, sites)
        return [day.play(number) for number in range(1, ROUNDS + 1)]
    finally:
        sites.close()


class _TrainingDay:
    def __init__(self, scene: Scene, stage: Stage, sites: Sites) -> None:
        self._scene = scene
        self._stage = stage
        self._sites = sites
        self._crash = Crash(scene, stage)

    def play(self, number: int) -> float:
        """Run one round to its end; return the accuracy of the global model after it."""
        self._stage.scene(f"Round {number} of {ROUNDS}")
        if number == 1:
            self._stage.say("each hospital pulls the global model over REST, trains on its own patients, uploads its")
            self._stage.say("update and submits the signed transaction, to another validator every round")
        until(lambda: int(self._get(f"/v1/tasks/{TASK}")["round"]) >= number, f"round {number}")
        if number == RESTART_ROUND:
            self._crash.restart()
        self._submit(number)
        reached = self._finish(number)
        if number == ROUNDS:
            until(self._crash.look, "the restarted validator's vote")
        elif number >= RESTART_ROUND:
            self._crash.look()  # never waiting for it: the next round is open already
        return reached

    def _submit(self, number: int) -> None:
        """Let the hospitals take part, half of them before whatever happens in this round, half after."""
        hospitals = [name for name in self._scene.shares if not (name == ABSENT and number == ABSENT_ROUND)]
        half = len(hospitals) // 2
        with ThreadPoolExecutor(max_workers=len(hospitals)) as pool:
            self._take_part(pool, hospitals[:half], number)
            if number == KILL_ROUND:
                self._crash.kill()
            self._take_part(pool, hospitals[half:], number)

    def _take_part(self, pool: ThreadPoolExecutor, hospitals: list[str], number: int) -> None:
        killed = self._crash.killed if self._crash.down else None
        list(pool.map(lambda hospital: self._sites.take_part(hospital, number, killed=killed), hospitals))

    def _finish(self, number: int) -> float:
        """Wait for the round's global model, pull it, and test it."""
        path = f"/v1/tasks/{TASK}/rounds/{number}"
        until(lambda: self._get(path)["round"]["status"] in {"decided", "void"}, f"the end of round {number}")
        found = self._get(path)
        if number == ABSENT_ROUND:
            self._check_absentee(found)
        reached = accuracy(self._sites.global_model(next(iter(self._scene.shares))), self._scene.test)
        fates = Counter(item["fate"] for item in found["participations"].values())
        record = found["round"]
        decided = record["status"] == "decided"
        made = f"global model in block {record['decided_height']}" if decided else "no global model"
        told = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
        committee = ", ".join(map(str, record["committee"]))
        self._stage.say(f"{made}: {told}; committee {committee}; accuracy {reached:.3f}")
        self._stage.check(
            Claim.ALL_ROUNDS, held=decided, detail=f"round {number}: {made}" if not decided else f"{number} models"
        )
        return reached

    def _check_absentee(self, found: dict[str, Any]) -> None:
        record = found["round"]
        fate = found["participations"][str(self._scene.numbers[ABSENT])]["fate"]
        block = self._get(f"/v1/blocks/{record['closed_height']}")
        late = block["header"]["time"] - record["deadline"]
        self._stage.check(
            Claim.ABSENT,
            held=fate == "absent" and late >= 0 and record["status"] == "decided",
            detail=f"{ABSENT}: {fate}; closed by the first block after the deadline, {late} ms later",
        )

    def _get(self, path: str) -> dict[str, Any]:
        return self._scene.get(path, node=self._crash.alive)
