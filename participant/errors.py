"""What a training site's side raises, below `ledger.errors.QuorateError`; bad tensors are `aggregation.errors`.

QuorateError
├── NodeFault             one node did not answer as it should: the next one is asked
│   ├── NodeUnreachable   no connection, or it broke, or it took too long
│   ├── NodeUnwell        it says so itself: 429 or 5xx
│   ├── NodeBehind        it does not have yet what it should: older state, a transaction still waiting
│   ├── MalformedAnswer   not what the HTTP interface promises
│   ├── NodeLied          a proof, signature or digest of its answer does not hold
│   └── NodeRefused       it refuses the request (4xx); the word of one node
│       ├── NodeForbids   for want of a right
│       └── NodeHasNone   it has no such thing
├── NoNodeAnswered        all nodes failed until time was up
│   └── SubmissionNotFinal  none showed in time that what was submitted is final
├── RoundNotOpen          no round opened in time
├── TaskEnded             there will be no further round
├── NotTakingPart         this key is not enrolled, or not invited to the task
└── InvalidSubmission     arguments of a submission are wrong
"""

from collections.abc import Mapping

from ledger.errors import InputError, QuorateError


class NodeFault(QuorateError):
    """One node did not answer as it should; another one may."""

    code = "node-fault"
    http_status = 502
    exit_code = 3

    def __init__(self, node: str, what: str, *, expected: object = None, got: object = None) -> None:
        super().__init__(f"node {node}: {what}", expected=expected, got=got)
        self.node = node
        """URL of the node."""


class NodeUnreachable(NodeFault):
    """There is no connection to the node, or it broke, or the node took too long."""

    code = "node-unreachable"
    hint = "Check that the node runs, and that this is its address (--node or QUORATE_NODE)."


class NodeUnwell(NodeFault):
    """The node says itself that it cannot serve the request now."""

    code = "node-unwell"


class NodeBehind(NodeFault):
    """The node does not have yet what it should: its state is older than others' or a transaction still waits."""

    code = "node-behind"


class MalformedAnswer(NodeFault):
    """The node's answer is not what the HTTP interface promises."""

    code = "malformed-answer"


class NodeLied(NodeFault):
    """A proof, signature or digest of the node's answer does not hold against the genesis file."""

    code = "node-lied"
    exit_code = 1
    hint = "Compare the genesis file with the other members'; if it is the same, this node is not to be trusted."


class NodeRefused(NodeFault):
    """The node refuses the request; believed once as many nodes say so as cannot all be faulty."""

    code = "node-refused"
    exit_code = 1

    def __init__(self, node: str, what: str, *, problem: str, detail: str, height: int | None) -> None:
        super().__init__(node, f"{what}: {detail} ({problem})")
        self.problem = problem
        """Code of the problem document."""
        self.height = height
        """Height that the answer reflects, if the node says so."""


class NodeForbids(NodeRefused):
    """The node says that this key has no right to what it asks for."""

    code = "node-forbids"
    exit_code = 4


class NodeHasNone(NodeRefused):
    """The node says that there is no such thing."""

    code = "node-has-none"
    exit_code = 5


class NoNodeAnswered(QuorateError):
    """No node gave a good answer before time was up."""

    code = "no-node-answered"
    http_status = 503
    exit_code = 3
    hint = (
        "Check that the nodes run, and that these are their addresses; each one's /readyz?verbose says what it lacks."
    )

    def __init__(self, what: str, faults: Mapping[str, NodeFault]) -> None:
        super().__init__(what, expected="an answer of one node", got="; ".join(map(str, faults.values())))
        self.faults = dict(faults)
        """The last fault of each node, by URL."""


class SubmissionNotFinal(NoNodeAnswered):
    """No node showed in time that what was submitted is final; it may be, or may become so."""

    code = "submission-not-final"
    hint = "What was submitted is remembered: the same call takes it up again. Look at each node's /readyz?verbose."


class RoundNotOpen(QuorateError):
    """No round that this participant may submit in opened in time."""

    code = "round-not-open"
    http_status = 503
    exit_code = 3


class TaskEnded(QuorateError):
    """The task has had its last round, or was halted."""

    code = "task-ended"
    http_status = 409


class NotTakingPart(QuorateError):
    """The key belongs to no participant, or to one that is not invited."""

    code = "not-taking-part"
    http_status = 403
    exit_code = 4
    hint = "An operator enrols participants; who is invited is fixed when a task is registered."


class InvalidSubmission(InputError):
    """An argument of a submission is wrong; nothing was sent."""

    code = "invalid-submission"
    exit_code = 2
