"""``farcell login`` and ``logout``: which gateway is used."""

from __future__ import annotations

import asyncio
import getpass
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from traitlets import Bool, Unicode

from ..errors import BadRequest, IncompatibleVersion
from ..loopback import is_loopback
from ..wire.control import WIRE_VERSION
from .command import DEBUG_FLAG, Command, console

if TYPE_CHECKING:
    from ..client.gateway_client import Address


class Login(Command):
    name = "farcell login"
    description = (
        "Uses the gateway at URL from now on, in all your notebooks on this machine. It asks for the token that "
        "the gateway's operator gave you, or reads it from standard input, and keeps it if the gateway knows it."
    )
    arguments = "URL"
    ca = Unicode(help="PEM file").tag(config=True)
    trust = Bool(help="trust its sessions").tag(config=True)
    insecure_no_tls = Bool(help="allow http://").tag(config=True)
    aliases: dict[str, Any] = {"ca": ("Login.ca", "PEM file of certificates to trust beside the system's")}
    flags: dict[str, Any] = {
        "trust": (
            {"Login": {"trust": True}},
            "take values from its sessions that have to be unpickled, which lets whoever controls them run code here",
        ),
        "insecure-no-tls": (
            {"Login": {"insecure_no_tls": True}},
            "send the token over plain http:// to another machine",
        ),
    } | DEBUG_FLAG

    def run(self) -> None:
        from ..client.gateway_client import Address
        from ..client.locate import save_login

        url = check_url(self.extra_args[0], plain=self.insecure_no_tls)
        address = Address(url, _read_token(url), _certificates(self.ca), self.trust)
        me = asyncio.run(_greet(address))
        save_login(address)
        console.print(
            f"logged in to {url} as {me['name']} ({me['role']}), until 'farcell logout' or until the token is withdrawn"
        )


class Logout(Command):
    name = "farcell logout"
    description = "Forgets the gateway and its token. Sessions there run on until they are idle."

    def run(self) -> None:
        from ..client.locate import forget_login

        console.print("logged out" if forget_login() else "you were not logged in")


def check_url(url: str, *, plain: bool) -> str:
    """The URL without its last slash; raises `BadRequest` for none, and for one that shows the token on its way."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest(f"{url!r} is not a gateway's URL, such as https://gpu.example.org:8890")
    if parts.query or parts.fragment or parts.username:
        raise BadRequest("a gateway's URL ends with its path; the token is asked for")
    if parts.scheme == "http" and not plain and not is_loopback(parts.hostname):
        raise BadRequest(
            f"to {url} the token would go in plain text: use https://, or --insecure-no-tls where something else "
            "encrypts the way"
        )
    return url.rstrip("/")


def _read_token(url: str) -> str:
    asked = getpass.getpass(f"token for {url}: ") if sys.stdin.isatty() else sys.stdin.readline()
    token = asked.strip()
    if not token.isascii() or not token.isprintable() or len(token.split()) != 1:
        raise BadRequest("that is no token: it is one word, as 'farcell user add' prints it")
    return token


def _certificates(ca: str) -> Path | None:
    if not ca:
        return None
    path = Path(ca).expanduser().absolute()
    if not path.is_file():
        raise BadRequest(f"there is no file {path}")
    return path


async def _greet(address: Address) -> Any:
    """Who one is there. Raises `FarcellError` when it is no gateway, or one that can't be spoken with."""
    from ..client import GatewayClient

    with closing(GatewayClient(address)) as gateway:
        health = await gateway.get_json("/farcell/v1/health")
        if health["wire"] != WIRE_VERSION:
            older = "gateway" if health["wire"] < WIRE_VERSION else "client: pip install --upgrade farcell"
            raise IncompatibleVersion(
                f"the gateway speaks version {health['wire']}, this client version {WIRE_VERSION}: update the {older}"
            )
        return await gateway.get_json("/farcell/v1/me")
