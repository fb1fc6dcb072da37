"""A training site: `python examples/training_site.py NODE GENESIS KEY TASK [ROUNDS]`.

Trains on a random third of scikit-learn's breast cancer data; a real site would load its own patients here. Killed and
started again in the middle of a round, it gets the receipt of what it had submitted, instead of submitting twice.
"""

import sys

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

import quorate


def model() -> nn.Module:
    """Return the network that the consortium agreed on."""
    return nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 2))


def patients() -> tuple[torch.Tensor, torch.Tensor]:
    """Return measurements, scaled, and diagnoses."""
    data = load_breast_cancer()
    x = torch.tensor((data.data - data.data.mean(axis=0)) / data.data.std(axis=0), dtype=torch.float32)
    y = torch.tensor(data.target)
    rows = torch.randperm(len(y))[: len(y) // 3]
    return x[rows], y[rows]


def train(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """Train in place: one epoch, sixteen patients a step."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for rows in torch.randperm(len(y)).split(16):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
        optimizer.step()


def main(node: str, genesis: str, key: str, task: str, rounds: str = "1") -> None:
    """Take part in some rounds."""
    x, y = patients()
    with quorate.Consortium(nodes=[node], genesis=genesis, key=key) as consortium:
        for _ in range(int(rounds)):
            with consortium.task(task).round() as r:
                network = model()
                r.load_into(network)
                train(network, x, y)
                receipt = r.submit(network.state_dict(), num_examples=len(y))
            print(f"round {r.number}: {receipt.why()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
