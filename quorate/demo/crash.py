"""The killed validator: SIGKILL while it leads, a restart later, and proof that it votes again."""

from dataclasses import dataclass

import httpx

from quorate.demo.claims import Claim
from quorate.demo.consortium import Scene
from quorate.demo.stage import Stage


@dataclass(slots=True)
class Crash:
    """A validator's fall and return, told in order: `kill`, `restart`, and `look` until it votes again."""

    scene: Scene
    stage: Stage
    killed: int | None = None
    """Registry number of the validator that was killed; the members' places are in the same order."""
    down: bool = False
    height_at_kill: int = 0
    height_at_restart: int = 0
    votes_again: bool = False
    _looked_at: int = 0
    """Height of the last block whose certificate was looked at."""

    @property
    def alive(self) -> int:
        """A validator that was never killed."""
        return 0 if self.killed != 0 else 1

    def kill(self) -> None:
        """Kill the process that leads consensus, in the middle of a round."""
        status = self.scene.get("/v1/status", node=0)
        self.killed, self.height_at_kill = int(status["primary"]), int(status["height"])
        self.scene.network.kill(self.killed)
        self.down = True
        self.stage.say(
            f"SIGKILL for validator {self.killed}, the primary of view {status['view']}, at height {status['height']}"
        )

    def restart(self) -> None:
        """Start it again: from its vote log, its database, and its peers' certified blocks."""
        assert self.killed is not None
        others = self.scene.get("/v1/status", node=self.alive)
        self.stage.check(
            Claim.VIEW_CHANGE,
            held=others["view"] > 0 and others["height"] > self.height_at_kill,
            detail=f"view 0 to {others['view']}, height {self.height_at_kill} to {others['height']}",
        )
        self.height_at_restart = self._looked_at = int(others["height"])
        self.scene.network.start(self.killed)
        behind = self.height_at_restart - self.height_at_kill
        self.stage.say(f"validator {self.killed} starts again, {behind} blocks behind")

    def look(self) -> bool:
        """Look how far the restarted validator has come, without waiting; return whether it votes again."""
        if self.killed is None or self.votes_again:
            return self.votes_again
        try:
            head = int(self.scene.get("/v1/status", node=self.killed)["height"])
        except httpx.HTTPError:
            return False  # it is still starting
        if head < self.height_at_restart:
            return False
        if self.down:
            self.down = False
            self.stage.say(f"validator {self.killed} has caught up, and is at height {head}")
        first, self._looked_at = self._looked_at + 1, head
        self.votes_again = any(self._voted_for(self.killed, height) for height in range(first, head + 1))
        return self.votes_again

    def _voted_for(self, killed: int, height: int) -> bool:
        """Look, at the restarted validator itself, whether the certificate of a block carries its own vote."""
        certificate = self.scene.get(f"/v1/blocks/{height}", node=killed)["certificate"]
        if certificate is None:
            return False  # finalised by that of a later block
        voted = any(commit["validator"] == killed for commit in certificate["commits"])
        if voted:
            self.stage.say(f"validator {killed} votes again: its COMMIT is in its certificate of block {height}")
            self.stage.check(Claim.CAUGHT_UP, held=True, detail=f"its COMMIT in the certificate of block {height}")
        return voted
