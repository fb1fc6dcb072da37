"""Contracts: what the chain does with a transaction, as pure functions of (transaction, state).

Start with `chain`: it proposes and replays blocks. `validity` says what may stand in a block, one file a body judges
it, `actions` lists what the chain does by itself, and `queries` reads the state that all this leaves.
"""
