"""Real validators, real disks and real sockets under attack: `make chaos`, and a short slice of it in the test suite.

Faults are drawn from a seed and printed, so that a schedule can be repeated (what the processes make of it is theirs:
these are real processes on a real clock). Clients submit throughout. What is claimed, and what is therefore checked, is
in docs/chaos.md.
"""
