"""The proxy that the gateway's own machine has to use, where it has no other way out."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from ...errors import BadRequest


@dataclass(frozen=True, slots=True)
class Upstream:
    """An HTTP proxy; `authorization` is the value of ``Proxy-Authorization``, if it wants one."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """``http://[user:password@]host[:port]``; raises `BadRequest`, which does not repeat a password."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 3128
        except ValueError as error:
            raise BadRequest("the upstream proxy is no URL such as http://proxy.example.com:3128") from error
        if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query:
            raise BadRequest("the upstream proxy is no URL such as http://proxy.example.com:3128")
        if parts.username is None:
            return cls(host, port)
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return cls(host, port, f"Basic {b64encode(words.encode()).decode()}")

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What a request to it has beside the usual."""
        return [(b"proxy-authorization", self.authorization.encode())] if self.authorization else []
