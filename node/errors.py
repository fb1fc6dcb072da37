"""What a node raises beside its storage and links, below `ledger.errors.QuorateError`.

QuorateError
├── MempoolFull          no room for another waiting transaction, or for another of this author
├── TransactionUnknown   this node has never seen it
├── NotAuthorised        a signed request lacks the right to what it asks for
├── WorkerFailed         the worker process died or took too long; the same request may be tried again
└── Unavailable          the node is starting or stopping
"""

from ledger.errors import QuorateError


class MempoolFull(QuorateError):
    """There is no room for another waiting transaction."""

    code = "mempool-full"
    http_status = 503
    exit_code = 3
    hint = "Try again later, or another validator."


class SenderQueueFull(MempoolFull):
    """This author has as many waiting transactions as one author may."""

    code = "sender-queue-full"
    http_status = 429


class TransactionUnknown(QuorateError):
    """This node has neither appended nor waiting the transaction that is asked for."""

    code = "transaction-unknown"
    http_status = 404
    exit_code = 5


class NotAuthorised(QuorateError):
    """The key that signed a request has no right to what it asks for."""

    code = "not-authorised"
    http_status = 403
    exit_code = 4


class WorkerFailed(QuorateError):
    """The worker process died or took too long; nothing is known to be wrong with what it worked on."""

    code = "worker-failed"
    http_status = 503
    exit_code = 3


class Unavailable(QuorateError):
    """The node is starting or stopping."""

    code = "unavailable"
    http_status = 503
    exit_code = 3
