"""What a handler's method says of itself, for the API's description (`gateway.openapi`) and for ``Allow`` headers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from tornado.web import RequestHandler

from ...errors import FarcellError

JSON = "application/json"
_MARK = "farcell_operation"
Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """A decorator: ``@Operation("The offers", OffersAnswer)``.

    `answer` and `takes` are the types of JSON bodies, `query` is a `TypedDict` of the parameters. Without an answer,
    the body is bytes of `media`, or (for JSON) there is none. `refuses` are the errors beside those that any operation
    answers with (`openapi.ALWAYS`).
    """

    summary: str
    answer: Any = None
    status: int = 200
    media: str = JSON
    takes: Any = None
    needs_body: bool = True
    query: type | None = None
    refuses: tuple[type[FarcellError], ...] = ()

    def __call__(self, method: Method) -> Method:
        setattr(method, _MARK, self)
        return method


class Everybody(TypedDict, total=False):
    """A query: ``all=1`` is for operators, who are told everybody's; from others it is nothing."""

    all: str


def operations(handler: type[RequestHandler]) -> dict[str, Operation]:
    """By HTTP method, in capitals."""
    marks = {name: getattr(getattr(handler, name.lower()), _MARK, None) for name in handler.SUPPORTED_METHODS}
    return {name: mark for name, mark in marks.items() if mark is not None}
