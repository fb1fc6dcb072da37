"""What each hospital does in a round: pull the global model, train, submit; and what the hostile one sends instead."""

from collections.abc import Mapping

import torch

from ledger.errors import QuorateError
from participant.consortium import Consortium
from participant.receipts import Receipt
from participant.round import Round
from quorate.demo.baselines import flipped
from quorate.demo.claims import Claim
from quorate.demo.consortium import Scene
from quorate.demo.hospitals import HOSTILE, new_model, train
from quorate.demo.script import SITE_SECONDS, TASK, TOO_LONG, TOO_LONG_ROUND, seed_of
from quorate.demo.stage import Stage


class Sites:
    """The hospitals' ways in: one key and one connection each, in this one process, so that torch is loaded once."""

    def __init__(self, scene: Scene, stage: Stage) -> None:
        self._scene = scene
        self._stage = stage
        self._ways: Mapping[str, Consortium] = {
            hospital: Consortium(nodes=scene.urls, genesis=scene.network.genesis, key=scene.key(hospital))
            for hospital in scene.shares
        }

    def close(self) -> None:
        """Close all connections."""
        for way in self._ways.values():
            way.close()

    def global_model(self, hospital: str) -> torch.nn.Module:
        """Return the newest global model, as a hospital pulls and verifies it."""
        model = new_model()
        self._ways[hospital].task(TASK).global_model().load_into(model)
        return model

    def take_part(self, hospital: str, number: int, *, killed: int | None) -> None:
        """Train and submit in round `number`, asking another validator first each time, and say what became of it."""
        way, examples = self._ways[hospital], len(self._scene.shares[hospital])
        asked = (list(self._scene.shares).index(hospital) + number) % len(self._scene.urls)
        try:
            way.ask_first(self._scene.urls[asked])
            with way.task(TASK).round(timeout=SITE_SECONDS) as open_round:
                model = new_model()
                open_round.load_into(model)
                train(model, self._scene.shares[hospital], seed=seed_of(hospital, number))
                if hospital == HOSTILE:
                    receipt = self._attack(open_round, model, number, examples)
                else:
                    receipt = open_round.submit(model.state_dict(), num_examples=examples)
        except QuorateError as error:
            self._stage.say(f"{hospital}: {error}")
            return
        self._tell(hospital, receipt, asked=asked, killed=killed)

    def _attack(self, open_round: Round, model: torch.nn.Module, number: int, examples: int) -> Receipt:
        """Send an update over the norm bound, once, and sign-flipped ones just inside it ever after."""
        base = open_round.global_model()
        delta = flipped({name: values - base[name] for name, values in model.state_dict().items()})
        if number == TOO_LONG_ROUND:
            longer = {name: base[name] + TOO_LONG * values for name, values in delta.items()}
            refused = open_round.submit(longer, num_examples=examples, clip=False)
            self._stage.check(Claim.TOO_LONG, held=refused.rule == "U12", detail=refused.why())
            self._stage.say(f"{HOSTILE}: {refused.why()}")
        receipt = open_round.submit({name: base[name] + values for name, values in delta.items()}, examples)
        self._stage.check(Claim.ADMITTED, held=receipt.accepted, detail=f"round {number}: {receipt.why()}")
        return receipt

    def _tell(self, hospital: str, receipt: Receipt, *, asked: int, killed: int | None) -> None:
        answered = self._scene.urls.index(self._ways[hospital].node)
        via = f"via validator {answered}"
        if asked == killed:
            self._stage.check(
                Claim.FAILOVER,
                held=answered != asked and receipt.accepted,
                detail=f"{hospital} asked validator {asked} and was answered by validator {answered}",
            )
            via += f", for {asked} is not up"
        lie = "  (sign-flipped, inside the bound)" if hospital == HOSTILE and receipt.accepted else ""
        self._stage.say(f"{hospital:<11} {via}: {receipt.why()}{lie}")
