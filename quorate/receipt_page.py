"""The answer of every command that sends a transaction: its receipt, verified, with the verdict in words."""

from collections.abc import Mapping

from participant.receipts import Receipt
from quorate.output import Answer
from quorate.plain_text import Fields

EXIT_REFUSED = 1


def receipt_answer(receipt: Receipt, about: Mapping[str, str | int], *, following: str, options: str) -> Answer:
    """Return the answer, with what to do next; a refusal by a contract is a negative verdict, with exit code 1.

    `options` lead a further command to the same chain.
    """
    return Answer(
        data={
            **about,
            "transaction": receipt.transaction.hex(),
            "height": receipt.height,
            "position": receipt.position,
            "log_index": receipt.log_index,
            "accepted": receipt.accepted,
            "rule": receipt.rule,
            "values": list(receipt.values),
            "why": receipt.why(),
        },
        shown=[
            Fields(
                pairs=[
                    *((name.replace("_", " "), value) for name, value in about.items()),
                    ("tx", receipt.transaction.hex()),
                    ("verdict", receipt.why()),
                ]
            )
        ],
        exit_code=0 if receipt.accepted else EXIT_REFUSED,
        next=following if receipt.accepted else f"quorate tx {receipt.transaction.hex()}{options}",
    )
