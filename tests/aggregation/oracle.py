"""A slow second opinion: the same definitions in pure Python integers and fractions, written without the engine."""

import json
from collections.abc import Sequence
from fractions import Fraction

from ledger.tasks import Layout, Role, TensorSpec

ONE = 2**30


def at_model_scale(value: Fraction, exponent: int) -> int:
    """Return value * 2^(32 - exponent), rounded half to even as `round` does for fractions."""
    return round(value * (1 << (32 - exponent)))


def weighted_mean(column: Sequence[int], weights: Sequence[int]) -> Fraction:
    return Fraction(sum(a * q for a, q in zip(weights, column, strict=True)), sum(weights))


def kept_by_trimming(column: Sequence[int], faulty_max: int) -> list[int]:
    """Return the places of a column that a trimmed mean averages."""
    order = sorted(range(len(column)), key=lambda place: (column[place], place))
    return order[faulty_max : len(column) - faulty_max]


def trimmed_mean(column: Sequence[int], faulty_max: int) -> Fraction:
    kept = kept_by_trimming(column, faulty_max)
    return Fraction(sum(column[place] for place in kept), len(kept))


def median(column: Sequence[int]) -> Fraction:
    ranked = sorted(column)
    return Fraction(ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2], 2)


Rows = Sequence[dict[str, list[int]]]


def columns(rows: Rows, name: str) -> list[list[int]]:
    return [list(column) for column in zip(*(row[name] for row in rows), strict=True)]


def gram(rows: Rows, layout: Layout) -> list[list[int]]:
    weights = [tensor for tensor in layout.tensors if tensor.role is Role.WEIGHT]
    return [
        [
            sum(
                4 ** (30 - tensor.exponent) * sum(p * q for p, q in zip(a[tensor.name], b[tensor.name], strict=True))
                for tensor in weights
            )
            for b in rows
        ]
        for a in rows
    ]


def shares(amounts: Sequence[int]) -> list[int]:
    """Return largest-remainder shares of 2^30, ties to the earlier."""
    total = sum(amounts)
    if total == 0:
        return [0] * len(amounts)
    exact = [Fraction(amount * ONE, total) for amount in amounts]
    result = [value.numerator // value.denominator for value in exact]
    while sum(result) < ONE:
        gaps = [value - got for value, got in zip(exact, result, strict=True)]
        result[gaps.index(max(gaps))] += 1
    return result


def file_bytes(tensors: Sequence[TensorSpec], code: str, width: int, values: dict[str, list[int]]) -> bytes:
    """Return the canonical file of integers, by the standard library's JSON."""
    entries: dict[str, object] = {}
    body = b""
    for tensor in sorted(tensors, key=lambda tensor: tensor.name.encode()):
        data = b"".join(value.to_bytes(width, "little", signed=True) for value in values[tensor.name])
        entries[tensor.name] = {
            "dtype": code,
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    header = json.dumps(entries, separators=(",", ":")).encode()
    while len(header) % 8:
        header += b" "
    return len(header).to_bytes(8, "little") + header + body
