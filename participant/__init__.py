"""What a training site needs: take part in rounds, check every answer of a node, and the operator's helpers.

Start with `consortium`, which `import quorate` offers as `quorate.Consortium`. Everything here is synchronous, and no
object may be used by two threads at a time.
"""
