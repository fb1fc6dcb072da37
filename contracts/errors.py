"""Why a transaction can never enter the block in question.

    InvalidTransaction (ledger.errors)
    ├── UnknownKey             its author's key is not on chain
    ├── ExpiredTransaction     valid_until lies below the block
    ├── ValidUntilTooFar       valid_until lies further above the block than the chain remembers ids
    ├── ReplayedTransaction    its id is used up
    ├── SenderLimit            its author has filled its share of the block
    └── BlockFull              the block has no room for it

Refusals by a contract are verdicts, not errors: see `contracts.verdicts`.
"""

from ledger.errors import InvalidTransaction


class UnknownKey(InvalidTransaction):
    """The author's key is not on chain in the parent block's state."""

    code = "unknown-key"
    http_status = 403
    exit_code = 4
    hint = "A key may author transactions from the block after its enrolment on."


class ExpiredTransaction(InvalidTransaction):
    """`valid_until` lies below the height of the block."""

    code = "transaction-expired"
    hint = "Sign it again with a later valid_until."


class ValidUntilTooFar(InvalidTransaction):
    """`valid_until` lies further above the height of the block than `validity_heights_max`."""

    code = "valid-until-too-far"
    hint = "Sign it again with an earlier valid_until."


class ReplayedTransaction(InvalidTransaction):
    """The id is used up: by an earlier block, or earlier in this one."""

    code = "replayed-transaction"
    http_status = 409
    hint = "Its receipt is in the log; the same bytes are never judged twice."


class SenderLimit(InvalidTransaction):
    """The author's transactions or bytes in this block are at their limit."""

    code = "sender-limit"
    http_status = 429
    hint = "It may enter a later block."


class BlockFull(InvalidTransaction):
    """The block's transactions or bytes are at their limit."""

    code = "block-full"
    http_status = 503
    hint = "It may enter a later block."
