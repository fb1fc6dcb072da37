"""What the result is compared with: all patients in one place, and plain averaging under the same attack.

Both run in this process and touch no chain: centralised training is what a consortium gives up to keep its data at
home, plain averaging is what it would get without a robust rule.
"""

import torch

from quorate.demo.hospitals import ABSENT, HOSTILE, Patients, accuracy, new_model, train
from quorate.demo.script import ABSENT_ROUND, NORM_MAX, ROUNDS, seed_of


def centralised(shares: dict[str, Patients], test: Patients) -> list[float]:
    """Return the accuracy after each round's worth of training on everybody's patients together."""
    everybody = Patients(torch.cat([share.x for share in shares.values()]), torch.cat([s.y for s in shares.values()]))
    model = new_model()
    found = []
    for number in range(1, ROUNDS + 1):
        train(model, everybody, seed=number)
        found.append(accuracy(model, test))
    return found


def plain_average(shares: dict[str, Patients], test: Patients) -> list[float]:
    """Return the accuracy after each round of unweighted averaging, with the same attacker and absentee."""
    model = new_model()
    found = []
    for number in range(1, ROUNDS + 1):
        base = {name: values.clone() for name, values in model.state_dict().items()}
        deltas = []
        for name, share in shares.items():
            if name == ABSENT and number == ABSENT_ROUND:
                continue
            local = new_model()
            local.load_state_dict(base)
            train(local, share, seed=seed_of(name, number))
            delta = {tensor: values - base[tensor] for tensor, values in local.state_dict().items()}
            deltas.append(flipped(delta) if name == HOSTILE else delta)
        average = {tensor: torch.stack([delta[tensor] for delta in deltas]).mean(dim=0) for tensor in base}
        model.load_state_dict({tensor: base[tensor] + average[tensor] for tensor in base})
        found.append(accuracy(model, test))
    return found


def flipped(delta: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return an update that points the other way and is as long as the task allows."""
    norm = float(sum((values.double() ** 2).sum() for values in delta.values()) ** 0.5)
    factor = -0.99 * NORM_MAX / norm
    return {tensor: values * factor for tensor, values in delta.items()}
