"""What of a request or a response goes on behind a proxy; pure."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from ...errors import BadRequest
from .policy import Target
from .refusal import Refusal

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        *(
            b"connection",
            b"keep-alive",
            b"proxy-connection",
            b"te",  # codespell:ignore te
            b"trailer",
            b"transfer-encoding",
            b"upgrade",
        ),
        *(b"proxy-authenticate", b"proxy-authorization", b"proxy-authentication-info"),
    }
)
"""RFC 9110, 7.6.1, and what concerns this proxy alone."""


def tunnel_target(target: bytes) -> Target:
    """Of a ``CONNECT host:port``; raises `Refusal`."""
    try:
        host, _, port = target.decode("ascii").rpartition(":")
        if (":" in host) == (host.startswith("[") and host.endswith("]")):
            return Target.parse(host, _port(port))
    except (ValueError, BadRequest) as error:
        raise _bad_tunnel() from error
    raise _bad_tunnel()


def plain_target(target: bytes) -> tuple[Target, bytes]:
    """Of a request for ``http://host/path``: where it goes, and the path to ask for there. Raises `Refusal`."""
    try:
        parts = urlsplit(target.decode("ascii"))
        if parts.scheme.lower() == "http" and parts.username is None:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            return Target.parse(parts.hostname or "", 80 if parts.port is None else parts.port), path.encode()
    except (ValueError, BadRequest) as error:
        raise _no_proxy_request() from error
    raise _no_proxy_request()


def _bad_tunnel() -> Refusal:
    return Refusal(400, "CONNECT takes a host and a port, such as pypi.org:443")


def _no_proxy_request() -> Refusal:
    return Refusal(400, "this is a proxy: it takes CONNECT host:port, and requests for http://host/path")


def request_headers(headers: Iterable[tuple[bytes, bytes]], target: Target) -> Headers:
    """For the origin: its own name as `Host`, whatever the client said, and a body framed as it was."""
    headers = list(headers)
    chunked = any(name == b"transfer-encoding" for name, _ in headers)
    leaves = {b"host", b"content-length"} if chunked else {b"host"}
    return [
        (b"host", _host_header(target)),
        *((name, value) for name, value in end_to_end(headers) if name not in leaves),
        *([(b"transfer-encoding", b"chunked")] if chunked else []),
        (b"connection", b"close"),
    ]


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Without those that were meant for the next hop alone; names are in lower case, as h11 gives them."""
    headers = list(headers)
    named = {
        word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")
    }
    # the framing is not a client's to have removed
    dropped = HOP_BY_HOP | (named - {b"content-length", b"host"})
    return [(name, value) for name, value in headers if name not in dropped]


def _host_header(target: Target) -> bytes:
    whole = str(target)
    return (whole.removesuffix(":80") if target.port == 80 else whole).encode()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise BadRequest("that is no port")
    return int(text)
