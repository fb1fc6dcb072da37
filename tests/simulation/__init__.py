"""Deterministic simulation of the real engine: seeded network, clock, crashes and Byzantine replicas.

`world` runs a cluster, `toy` is what is ordered, `checker` judges. `python -m tests.simulation --seed N` replays a run.
"""
