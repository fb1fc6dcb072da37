"""The definitions of RFC 6962, 2.1, written as they stand there: slow, recursive, independent of ours."""

from ledger.hashing import sha256


def reference_root(leaves: list[bytes]) -> bytes:
    """Return MTH(D[n])."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    k = largest_power_below(len(leaves))
    return sha256(b"\1" + reference_root(leaves[:k]) + reference_root(leaves[k:]))


def reference_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """Return PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*reference_path(m, leaves[:k]), reference_root(leaves[k:])]
    return [*reference_path(m - k, leaves[k:]), reference_root(leaves[:k])]


def turns(index: int, size: int) -> list[str]:
    """Return the side of each node that a leaf hangs on, from the leaf upwards."""
    if size == 1:
        return []
    k = largest_power_below(size)
    return [*turns(index, k), "left"] if index < k else [*turns(index - k, size - k), "right"]


def largest_power_below(count: int) -> int:
    """Return k, the largest power of two smaller than `count`."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power
