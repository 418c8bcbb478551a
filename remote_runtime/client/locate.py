"""Which gateway to use: the one that the user has logged in to, else an embedded one."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from .. import config
from ..errors import FarcellError, GatewayUnreachable
from . import embedded
from .gateway_client import Address, GatewayClient


async def connect(*, start: bool = True) -> GatewayClient:
    """A client of the user's gateway.

    Without a login that is the embedded one, which is started when it does not run; with `start` false that raises
    `GatewayNotRunning` instead.
    """
    address = logged_in()
    if address is not None:
        return GatewayClient(address)
    running = embedded.running()
    if running is not None:
        client = GatewayClient(running)
        if await _answers(client):
            return client
        client.close()
    if not start:
        raise embedded.not_running()
    return GatewayClient(await asyncio.to_thread(embedded.start))


async def embedded_gateway_to_end() -> GatewayClient | None:
    """The embedded gateway, also beside a login and whatever it simulates; None when nothing is left to end.

    One that was killed is started once more if it left containers. Raises `GatewayUnreachable` when one is there
    and does not answer.
    """
    deadline = time.monotonic() + embedded.END_S
    while embedded.is_there():
        address = embedded.address()
        if address is not None:
            client = GatewayClient(address)
            if await _answers(client):
                return client
            client.close()
        if time.monotonic() > deadline:
            raise GatewayUnreachable(
                "your gateway on this machine does not answer: kill its process, then try again"
            )
        await asyncio.sleep(0.05)
    return GatewayClient(await asyncio.to_thread(embedded.start)) if embedded.left_containers() else None


async def _answers(client: GatewayClient) -> bool:
    """Whether it is really there, and ours: the file may be left over from a process that was killed."""
    try:
        await client.get_json("/farcell/v1/me")
    except FarcellError:
        return False
    return True


# --- the login ---


def _login_file() -> Path:
    return config.data_dir() / "login.json"


def logged_in() -> Address | None:
    try:
        facts = json.loads(_login_file().read_text("utf-8"))
        ca = facts.get("ca")
        return Address(facts["url"], facts["token"], Path(ca) if ca else None, bool(facts.get("trusted")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def save_login(address: Address) -> None:
    facts = {
        "url": address.url,
        "token": address.token,
        "ca": str(address.ca) if address.ca else None,
        "trusted": address.trusted,
    }
    config.write_private(_login_file(), json.dumps(facts))


def forget_login() -> bool:
    """Whether there was one."""
    found = _login_file().exists()
    _login_file().unlink(missing_ok=True)
    return found
