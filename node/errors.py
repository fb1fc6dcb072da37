"""What a node raises beside its storage and links, below `ledger.errors.QuorateError`.

QuorateError
├── MempoolFull          no room for another waiting transaction, or for another of this author
├── TransactionUnknown   this node has never seen it
├── NotAuthorised        a signed request lacks the right to what it asks for
├── WorkerFailed         the worker process died or took too long; the same request may be tried again
├── Unavailable          the node is starting or stopping
└── OperatorNeeded       the node has stopped, and must not be started again before a person has done something
    ├── SecondNode       another process runs as this validator
    └── ProtocolUnknown  the chain goes on by rules that this software does not know
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


class OperatorNeeded(QuorateError):
    """The node has stopped in good order, and starting it again changes nothing before a person has done something.

    Its exit code is one that a service manager can be told not to restart after.
    """

    code = "operator-needed"
    exit_code = 71


class SecondNode(OperatorNeeded):
    """f+1 peers have met another process that runs with this validator's keys.

    Two processes with one vote key are a Byzantine validator; one that has stopped is only missing. So whichever of
    them hears of it stops: it cannot know whether it is the one with the whole vote log.
    """

    code = "second-node"
    hint = (
        "Find the other process and remove its home. If both have voted, or if you cannot tell, trust neither vote log:"
        " move it aside, start the node, which then follows without a vote, and rotate the vote key. Otherwise start"
        " again the one that is at its own address."
    )


class ProtocolUnknown(OperatorNeeded):
    """The next block follows rules of a protocol version that this software does not know."""

    code = "protocol-unknown"
    hint = "Install a release that knows this version, and start the node again on the same home: it catches up."
