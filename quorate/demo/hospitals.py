"""Six invented hospitals with real patients: scikit-learn's breast cancer data, unequal and label-skewed shares.

569 patients of Street, Wolberg and Mangasarian (1993), 30 measurements each; every hospital keeps its own share, and a
test share stays outside. The scaling of the measurements is agreed beforehand, as a consortium would agree on units.
"""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer

FEATURES = 30
HIDDEN = 8
TEST_SHARE = 0.3
LOCAL_EPOCHS = 2
LEARNING_RATE = 0.05
BATCH = 16

RUNNING = ("aldermoor", "birchfield", "castlewick", "dunmere")
"""Hospitals that run a validator too."""
TRAINING_ONLY = ("eastholm", "fernhill")
HOSTILE = "fernhill"
ABSENT = "eastholm"
SHARES = {
    "aldermoor": (0.26, 0.35),
    "birchfield": (0.22, 0.92),
    "castlewick": (0.17, 0.30),
    "dunmere": (0.14, 0.95),
    "eastholm": (0.11, 0.40),
    "fernhill": (0.10, 0.75),
}
"""(share of all training patients, share of benign ones among them)."""


@dataclass(frozen=True, slots=True)
class Patients:
    """Measurements, scaled, and diagnoses (1 = benign)."""

    x: torch.Tensor
    y: torch.Tensor

    def __len__(self) -> int:
        return len(self.y)


def load(seed: int = 7) -> tuple[dict[str, Patients], Patients]:
    """Return each hospital's patients, and those of the test share."""
    data = load_breast_cancer()
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(data.target))
    cut = int(TEST_SHARE * len(order))
    test, train = order[:cut], order[cut:]
    mean, deviation = data.data[train].mean(axis=0), data.data[train].std(axis=0)
    x = torch.tensor((data.data - mean) / deviation, dtype=torch.float32)
    y = torch.tensor(data.target, dtype=torch.int64)
    shares = {name: Patients(x[rows], y[rows]) for name, rows in _deal(train, data.target).items()}
    return shares, Patients(x[test], y[test])


def _deal(train: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Deal out the training patients: every hospital gets its share of each diagnosis, nobody is dealt twice."""
    pools = {label: [row for row in train if labels[row] == label] for label in (0, 1)}
    wanted = {name: (size * (1 - benign), size * benign) for name, (size, benign) in SHARES.items()}
    totals = [sum(pair[label] for pair in wanted.values()) for label in (0, 1)]
    dealt: dict[str, list[int]] = {name: [] for name in SHARES}
    for label in (0, 1):
        start = 0.0
        for name, pair in wanted.items():
            end = start + pair[label] / totals[label] * len(pools[label])
            dealt[name] += pools[label][round(start) : round(end)]
            start = end
    return {name: np.array(rows) for name, rows in dealt.items()}


def new_model(seed: int = 1) -> torch.nn.Module:
    """Return the small network that all train, with fixed initial weights."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 2))


def train(model: torch.nn.Module, patients: Patients, *, seed: int, epochs: int = LOCAL_EPOCHS) -> None:
    """Train in place on one site's patients."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    loss_of = torch.nn.CrossEntropyLoss()
    chance = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = torch.randperm(len(patients), generator=chance)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            loss_of(model(patients.x[rows]), patients.y[rows]).backward()
            optimizer.step()


def accuracy(model: torch.nn.Module, patients: Patients) -> float:
    """Return the share of right diagnoses."""
    with torch.no_grad():
        return float((model(patients.x).argmax(dim=1) == patients.y).float().mean())
