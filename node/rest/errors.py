"""What the HTTP interface itself refuses, beside what the node raises.

QuorateError
└── RestError
    ├── BadRequest              not HTTP
    ├── AuthorizationRequired   a signed request or ticket is missing
    ├── NotFound                the chain holds no such thing
    ├── UnknownPath             no route has this path
    ├── MethodNotAllowed        the route has other methods
    ├── NotAcceptable           the caller accepts none of the forms there are
    ├── RequestTimeout          the body stopped arriving
    ├── LengthRequired          an upload without Content-Length
    ├── TargetTooLong           over the limit on the request line
    ├── HeadersTooLarge         over the limit on headers
    ├── UnsupportedMediaType    a body in another form than the route takes
    ├── RangeNotSatisfiable     beyond the end of the blob
    ├── InvalidParameter        in path or query
    │   └── UnknownParameter    in the query
    ├── TicketMismatch          a ticket for another upload
    ├── Overloaded              too many requests at a time
    └── InternalError           our bug
"""

from collections.abc import Mapping

from ledger.errors import QuorateError


class RestError(QuorateError):
    """A request that the HTTP interface refuses."""

    code = "rest"
    http_status = 400

    def __init__(
        self, what: str, *, expected: object = None, got: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(what, expected=expected, got=got)
        self.headers = dict(headers or {})
        """What the answer must carry beside the problem document."""


class BadRequest(RestError):
    """The bytes are not an HTTP request."""

    code = "bad-request"


class AuthorizationRequired(RestError):
    """The request lacks the signed statement that stands for the caller's right to it."""

    code = "authorization-required"
    http_status = 401
    exit_code = 4
    hint = "Uploads carry a signed ticket in Quorate-Ticket, reads a signed request in Authorization."


class NotFound(RestError):
    """The chain holds no such thing at the height of this answer."""

    code = "not-found"
    http_status = 404
    exit_code = 5


class UnknownPath(RestError):
    """No route has this path."""

    code = "unknown-path"
    http_status = 404
    exit_code = 5
    hint = "GET /openapi.json lists every route."


class MethodNotAllowed(RestError):
    """This path answers to other methods only."""

    code = "method-not-allowed"
    http_status = 405


class NotAcceptable(RestError):
    """The caller accepts none of the forms that this answer has."""

    code = "not-acceptable"
    http_status = 406


class RequestTimeout(RestError):
    """The request stopped arriving."""

    code = "request-timeout"
    http_status = 408
    exit_code = 3


class LengthRequired(RestError):
    """An upload must say in Content-Length how long it is."""

    code = "length-required"
    http_status = 411


class TargetTooLong(RestError):
    """The request's target is over the limit."""

    code = "target-too-long"
    http_status = 414


class UnsupportedMediaType(RestError):
    """The body is in another form than this route takes."""

    code = "unsupported-media-type"
    http_status = 415


class RangeNotSatisfiable(RestError):
    """The range begins beyond the end of the blob."""

    code = "range-not-satisfiable"
    http_status = 416


class InvalidParameter(RestError):
    """A parameter in path or query is not what it must be."""

    code = "invalid-parameter"
    http_status = 422
    exit_code = 2


class UnknownParameter(InvalidParameter):
    """The query names a parameter that this route does not have."""

    code = "unknown-parameter"


class TicketMismatch(RestError):
    """The ticket was signed for another upload than this one."""

    code = "ticket-mismatch"
    http_status = 422


class HeadersTooLarge(RestError):
    """The request's headers are over the limit."""

    code = "headers-too-large"
    http_status = 431


class Overloaded(RestError):
    """The node serves as many requests at a time as it may."""

    code = "overloaded"
    http_status = 503
    exit_code = 3
    hint = "Try again later, or another validator."


class InternalError(RestError):
    """A bug in the node; its log says more."""

    code = "internal-error"
    http_status = 500
    exit_code = 70
