"""Nouns of the chain and pure verification: what is signed, hashed and stored, and how it is checked.

Nothing here imports another package of ours, opens a file or a socket, or reads a clock. Start with `blocks`,
`transactions` and `certificates`; `light_client` shows how they hang together.
"""
