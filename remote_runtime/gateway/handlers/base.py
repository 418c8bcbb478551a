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
from .operation import operations

if TYPE_CHECKING:
    from ..application import Gateway

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 20
"""No JSON body is larger: bulk has ways of its own."""
MAX_DROPPED_BYTES = 8 << 20
"""A refused body of up to so much is read and dropped: who still sends does not read the answer."""
BODY_TIMEOUT_S = 30.0
MAX_HEADER_BYTES = 64 << 10
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
        host = _host_name(self.request.host)
        if not self.gateway.options.allows_host(host):
            raise WrongHost(
                f"this gateway is not called {host[:80]!r}; its operator can allow the name with --host-name"
            )
        origin = self.request.headers.get("Origin")
        if origin is not None and _net_location(origin) != self.request.host:
            raise WrongOrigin(f"pages of {origin[:80]} may not use this gateway")

    def check_size(self) -> None:
        """Refuses a head beyond `MAX_HEADER_BYTES`; the server itself reads more, so that it can answer."""
        fields = self.request.headers.get_all()
        size = len(self.request.uri or "") + sum(len(name) + len(value) for name, value in fields)
        if size > MAX_HEADER_BYTES:
            raise TooLarge(f"the request's line and headers have {size} bytes, {MAX_HEADER_BYTES} at most")

    def body_bytes(self) -> int | None:
        """How long the body is that comes, as announced; None for one in chunks."""
        if "Transfer-Encoding" in self.request.headers:
            return None
        length = self.request.headers.get("Content-Length", "0")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise BadRequest(f"{length[:80]!r} is not a Content-Length")
        return int(length)

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
        if error.status == 405:
            self.set_header("Allow", ", ".join(operations(type(self))))
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


def _host_name(location: str) -> str:
    try:
        return urlsplit(f"//{location}").hostname or ""
    except ValueError:
        return location


def _net_location(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


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

    The body is read before the method runs, at most `MAX_BODY_BYTES` within `BODY_TIMEOUT_S`. Who may not ask, or sends
    more, is answered when the body has come and was dropped; who sends far more, or slower, at once. `user` is who
    asks; handlers that serve anybody set `anonymous`.
    """

    anonymous = False
    operators_only = False
    user: User

    def initialize(self, gateway: Gateway) -> None:
        super().initialize(gateway)
        self._chunks: list[bytes] = []
        self._received_bytes = 0
        self._refusal: FarcellError | None = None
        self._deadline: asyncio.TimerHandle | None = None

    async def prepare(self) -> None:
        try:
            announced = self.body_bytes()
        except BadRequest as error:
            self._refuse_now(error)
            return
        self._await_body(announced)
        try:
            await self.check()
            self._check_body(announced or 0)
        except FarcellError as error:
            self._refuse(error)
        if self._refusal is not None and (announced or 0) > MAX_DROPPED_BYTES:
            self._refuse_now(self._refusal)

    async def check(self) -> None:
        """Raises what is to be answered in place of the method's own answer."""
        self.check_size()
        self.check_place()
        if not self.anonymous:
            self.user = await self.authenticate()
            if self.operators_only and not self.user.is_operator:
                raise Forbidden(f"this is for operators; {self.user.name} is none")

    def _check_body(self, size: int) -> None:
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")

    def _await_body(self, size: int | None) -> None:
        name = str(self.request.method).lower()
        self._method = getattr(self, name)
        setattr(self, name, self._body_has_come)
        if size == 0:
            return
        late = RequestTimeout(f"no whole body within {BODY_TIMEOUT_S:g} s")
        self._deadline = asyncio.get_running_loop().call_later(BODY_TIMEOUT_S, self._refuse_now, late)

    def data_received(self, chunk: bytes) -> None:
        self._received_bytes += len(chunk)
        try:
            self._check_body(self._received_bytes)
        except TooLarge as error:
            self._refuse(error)
        if self._refusal is None:
            self._chunks.append(chunk)
        elif self._received_bytes > MAX_DROPPED_BYTES:
            self._refuse_now(self._refusal)

    def _refuse(self, error: FarcellError) -> None:
        """Answers `error` once the body has come, which is dropped meanwhile."""
        self._refusal = self._refusal or error
        self._chunks.clear()

    def _refuse_now(self, error: FarcellError) -> None:
        """Answers while the body is still coming; the connection ends with it."""
        if not self._finished:
            self._refuse(error)
            self.set_header("Connection", "close")
            self.write_error_json(self._refusal or error)

    def _body_has_come(self, *arguments: str) -> Any:
        """What tornado calls for the method itself, once the body is there."""
        self._forget_deadline()
        if self._refusal is not None:
            raise self._refusal
        return self._method(*arguments)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def has_body(self) -> bool:
        return bool(self._chunks)

    def body(self) -> Any:
        """The JSON document that was sent; raises `BadRequest` for none or a malformed one."""
        if not self._chunks:
            raise BadRequest("the body is empty; a JSON document was expected")
        return decode(b"".join(self._chunks))

    def wants_all(self) -> bool:
        """Whether an operator asks for everybody's; for others ``all=1`` is nothing."""
        return self.get_query_argument("all", "0") == "1" and self.user.is_operator

    def on_finish(self) -> None:
        self._forget_deadline()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._forget_deadline()


class Missing(JsonHandler):
    """Every path that is nobody's."""

    anonymous = True

    async def check(self) -> None:
        await super().check()
        raise NotFound(f"there is nothing at {self.request.path[:200]}")
