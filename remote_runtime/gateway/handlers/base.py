"""What every handler shares: who asks, from where, with which body; and errors as JSON."""

from __future__ import annotations

import asyncio
import logging
import re
from http.client import responses
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tornado.web import HTTPError, RequestHandler, stream_request_body

from ...api.json_form import decode, encode
from ...errors import (
    BadRequest,
    FarcellError,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    WrongHost,
    WrongOrigin,
)
from ...wire.control import WIRE_VERSION
from ..users import User

if TYPE_CHECKING:
    from ..application import Gateway

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 20
"""No JSON body is larger: bulk has ways of its own."""
BODY_TIMEOUT_S = 30.0
_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)", re.IGNORECASE)


class Guard(RequestHandler):
    """The checks that come before any handler's work, for HTTP and WebSockets alike."""

    gateway: Gateway

    def initialize(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def set_default_headers(self) -> None:
        self.set_header("Server", "farcell")
        self.set_header("Farcell-Wire", str(WIRE_VERSION))
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def check_place(self) -> None:
        """Refuses a foreign Host (a page that rebinds its name to loopback) and a foreign Origin (a page elsewhere)."""
        host = urlsplit(f"//{self.request.host}").hostname or ""
        if not self.gateway.options.allows_host(host):
            raise WrongHost(
                f"this gateway is not called {host!r}; its operator can allow the name with --host-name"
            )
        origin = self.request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != self.request.host:
            raise WrongOrigin(f"pages of {origin} may not use this gateway")

    def bearer(self) -> str:
        """The token from the header; one in the query is not looked at."""
        match = _AUTHORIZATION.fullmatch(self.request.headers.get("Authorization", "").strip())
        if match is None:
            raise Unauthorized("no token: send the header 'Authorization: Bearer TOKEN'")
        return match[1]

    async def authenticate(self) -> User:
        user = await self.gateway.user_of_token(self.bearer())
        if user is None:
            raise Unauthorized("the token is not (or no longer) valid: farcell login URL")
        return user

    def write_error_json(self, error: FarcellError) -> None:
        self.set_status(error.status)
        if error.status == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        self.write_json(error.to_json())

    def write_json(self, value: Any) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(encode(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tornado calls it for whatever a handler raises."""
        exception = kwargs.get("exc_info", (None, None, None))[1]
        self.write_error_json(_as_farcell_error(status_code, exception))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """What was raised on purpose is the client's to know, not the log's."""
        if not isinstance(value, FarcellError | HTTPError):
            _log.error("%s %s failed", self.request.method, self.request.path, exc_info=(typ, value, tb))


def _as_farcell_error(status: int, exception: BaseException | None) -> FarcellError:
    if isinstance(exception, FarcellError):
        return exception
    if isinstance(exception, TimeoutError):
        return RequestTimeout("it took too long; it may still happen")
    by_status = {400: BadRequest, 403: Forbidden, 404: NotFound, 405: MethodNotAllowed}
    if status in by_status:
        return by_status[status](responses.get(status, "bad request").lower())
    return InternalError("something went wrong in the gateway; its log has the details")


@stream_request_body
class JsonHandler(Guard):
    """A REST handler: subclasses define `get`, `post`, `delete` and call `body`.

    The body is read before the method runs, at most `MAX_BODY_BYTES` within `BODY_TIMEOUT_S`; who sends more, or more
    slowly, is answered at once. `user` is who asks; handlers that serve anybody set `anonymous`.
    """

    anonymous = False
    operators_only = False
    user: User

    async def prepare(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._deadline = asyncio.get_running_loop().call_later(
            BODY_TIMEOUT_S, self._refuse_body, RequestTimeout(f"no whole body within {BODY_TIMEOUT_S:.0f} s")
        )
        try:
            self.check_place()
            if not self.anonymous:
                self.user = await self.authenticate()
                if self.operators_only and not self.user.is_operator:
                    raise Forbidden(f"this is for operators; {self.user.name} is none")
        except FarcellError as error:
            self._refuse_body(error)

    def data_received(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._finished:
            return
        if self._size > MAX_BODY_BYTES:
            self._refuse_body(TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes"))
        else:
            self._chunks.append(chunk)

    def _refuse_body(self, error: FarcellError) -> None:
        if not self._finished:
            self._chunks.clear()
            self.set_header("Connection", "close")
            self.write_error_json(error)

    async def _execute(self, *arguments: Any, **keywords: Any) -> None:
        try:
            await super()._execute(*arguments, **keywords)
        finally:
            self._deadline.cancel()

    def body(self) -> Any:
        """The JSON document that was sent; raises `BadRequest` for none or a malformed one."""
        self._deadline.cancel()
        if not self._chunks:
            raise BadRequest("the body is empty; a JSON document was expected")
        return decode(b"".join(self._chunks))

    def on_finish(self) -> None:
        self._deadline.cancel()


class Missing(JsonHandler):
    """Every path that is nobody's."""

    anonymous = True

    async def prepare(self) -> None:
        await super().prepare()
        if not self._finished:
            raise NotFound(f"there is nothing at {self.request.path}")
