"""Everything of a validator that touches the world: disk, sockets, clocks, processes, HTTP.

Engines decide, the node does: `runtime` carries out what consensus and contracts return, durable first. `storage`,
`transport` and `mempool` know nothing of each other; `rest` talks to `runtime` only.
"""
