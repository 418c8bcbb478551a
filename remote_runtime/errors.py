"""Every error that Farcell shows to a person or sends over a wire.

::

    FarcellError                  500  farcell-error
    ├── BadRequest                400  bad-request
    │   ├── UnknownGpu            400  unknown-gpu
    │   ├── BadFrame              400  bad-frame
    │   └── ImageNotSupported     400  image-not-supported
    ├── Unauthorized              401  unauthorized
    ├── Forbidden                 403  forbidden
    │   ├── WrongHost             403  wrong-host
    │   └── WrongOrigin           403  wrong-origin
    ├── NotFound                  404  not-found
    │   └── SessionNotFound       404  session-not-found
    ├── MethodNotAllowed          405  method-not-allowed
    ├── RequestTimeout            408  request-timeout
    ├── Conflict                  409  conflict
    │   ├── ImageFilesMissing     409  image-files-missing
    │   ├── NoSuchOffer           409  no-such-offer
    │   ├── SessionHoldsOther     409  session-holds-other
    │   ├── TakenOver             409  taken-over
    │   └── TokenUsed             409  token-used
    ├── TooLarge                  413  too-large
    ├── BuildFailed               422  build-failed
    ├── IncompatibleVersion       426  incompatible-version
    ├── InternalError             500  internal-error
    ├── StartFailed               502  start-failed
    ├── Unavailable               503  unavailable
    │   ├── GatewayNotRunning     503  gateway-not-running
    │   └── GatewayUnreachable    503  gateway-unreachable
    ├── OutcomeUnknown            503  outcome-unknown
    └── CellTimeout               504  cell-timeout

A message is a sentence for the person who asked: what was asked, what is, what to do. What only the log
should keep goes into the exception's cause. The JSON form is ``{"code", "message", "details"}`` everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict


class ErrorJson(TypedDict):
    """What is answered in place of what was asked for; `message` is for people, `code` for programs."""

    code: str
    message: str
    details: dict[str, Any]


class FarcellError(Exception):
    """The root of the tree; `code` is stable and is what programs compare. `details` are JSON-able."""

    code: ClassVar[str] = "farcell-error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, /, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: a user's mistake is no matter of Farcell's insides."""
        return [f"{type(self).__name__}: {self.message}"]

    def to_json(self) -> dict[str, Any]:
        return dict(ErrorJson(code=self.code, message=self.message, details=self.details))


class BadRequest(FarcellError):
    code, status = "bad-request", 400


class UnknownGpu(BadRequest):
    code = "unknown-gpu"


class BadFrame(BadRequest):
    """A frame or a kernel message whose bytes do not follow the layout."""

    code = "bad-frame"


class ImageNotSupported(BadRequest):
    code = "image-not-supported"


class Unauthorized(FarcellError):
    code, status = "unauthorized", 401


class Forbidden(FarcellError):
    code, status = "forbidden", 403


class WrongHost(Forbidden):
    code = "wrong-host"


class WrongOrigin(Forbidden):
    code = "wrong-origin"


class NotFound(FarcellError):
    code, status = "not-found", 404


class SessionNotFound(NotFound):
    code = "session-not-found"


class MethodNotAllowed(FarcellError):
    code, status = "method-not-allowed", 405


class RequestTimeout(FarcellError):
    """The client did not send its request's body in time."""

    code, status = "request-timeout", 408


class Conflict(FarcellError):
    code, status = "conflict", 409


class ImageFilesMissing(Conflict):
    """The gateway lacks archives that an image copies; `sha256` in the details names them."""

    code = "image-files-missing"


class NoSuchOffer(Conflict):
    """A known GPU that no spawner of this gateway has."""

    code = "no-such-offer"


class SessionHoldsOther(Conflict):
    """A session of that name exists with another request."""

    code = "session-holds-other"


class TakenOver(Conflict):
    """Another client has attached to the session since; `by` in the details says which."""

    code = "taken-over"


class TokenUsed(Conflict):
    """An agent's token is already bound to another agent."""

    code = "token-used"


class TooLarge(FarcellError):
    code, status = "too-large", 413


class BuildFailed(FarcellError):
    """A step of an image's build failed; the message has its last lines."""

    code, status = "build-failed", 422


class IncompatibleVersion(FarcellError):
    code, status = "incompatible-version", 426


class InternalError(FarcellError):
    code, status = "internal-error", 500


class StartFailed(FarcellError):
    """A container was accepted by its spawner but never became a kernel."""

    code, status = "start-failed", 502


class Unavailable(FarcellError):
    code, status = "unavailable", 503


class GatewayNotRunning(Unavailable):
    """No gateway is configured and no embedded one runs."""

    code = "gateway-not-running"


class GatewayUnreachable(Unavailable):
    """A gateway is configured, but does not answer."""

    code = "gateway-unreachable"


class OutcomeUnknown(FarcellError):
    """The container or the way to it was lost while a cell ran in it; the cell is never run again unasked."""

    code, status = "outcome-unknown", 503


class CellTimeout(FarcellError):
    """A cell ran longer than its ``--timeout`` and was interrupted."""

    code, status = "cell-timeout", 504


def error_tree(root: type[FarcellError] = FarcellError) -> list[type[FarcellError]]:
    """`root` and all classes below it, each before its own subclasses, in the order of their definition."""
    return [root, *(leaf for child in root.__subclasses__() for leaf in error_tree(child))]


def error_from_json(value: Mapping[str, Any], status: int = 500) -> FarcellError:
    """The error that a peer sent; a code that is not known here becomes the nearest class by HTTP status."""
    by_code = {cls.code: cls for cls in error_tree()}
    cls = by_code.get(str(value.get("code"))) or _class_of_status(status)
    message = str(value.get("message") or f"the gateway answered with status {status}")
    details = value.get("details")
    return cls(message, **details if isinstance(details, dict) else {})


def _class_of_status(status: int) -> type[FarcellError]:
    """The topmost class with that status; where none has it, whose fault it is: the asker's or ours."""
    exact = (cls for cls in error_tree() if cls is not FarcellError and cls.status == status)
    return next(exact, BadRequest if 400 <= status < 500 else InternalError)
