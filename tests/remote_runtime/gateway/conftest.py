"""A real gateway in the tests' own process, on a folder of its own, with users, and agents real or played."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from farcell.remote_runtime.api import default_table
from farcell.remote_runtime.gateway import users
from farcell.remote_runtime.gateway.application import Gateway, open_gateway
from farcell.remote_runtime.gateway.database import Database
from farcell.remote_runtime.gateway.options import GatewayOptions
from farcell.remote_runtime.gateway.users import Role
from farcell.remote_runtime.spawners.machine import AGENT_COMMAND
from farcell.remote_runtime.spawners.process import ProcessSettings, ProcessSpawner

from .faces import Face

NO_AGENT = ("/bin/sh", "-c", "exec sleep 600")
"""A container's first process that never dials home: the test plays the agent."""
SIMULATED = "H100:2,T4:1"


@dataclass
class House:
    """A running gateway with what a test knows about it."""

    gateway: Gateway
    folder: Path

    @property
    def port(self) -> int:
        return self.gateway.port

    @property
    def nobody(self) -> Face:
        return Face(self.port)

    async def user(self, name: str, role: Role = Role.USER) -> Face:
        """A new user with a token, or one more token of a user that is there."""
        token = users.new_token()
        await self.gateway.database.write(lambda connection: _add(connection, name, role, token))
        return Face(self.port, token, name)


def _add(connection: Any, name: str, role: Role, token: str) -> None:
    if all(user.name != name for user in users.list_users(connection)):
        users.add_user(connection, name, role)
    users.add_token(connection, name, token)


Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the newest schema, to be copied: making one takes longer than most tests."""
    path = tmp_path_factory.mktemp("database") / "gateway.sqlite"
    database = Database.of_gateway(path.parent)
    database.migrate()
    database.close()
    return path


@pytest.fixture
def open_house(data_dir: Path, empty_database: Path) -> Iterator[Open]:
    """Opens a gateway on this test's folder; opened again, it is the next gateway of the same folder.

    On leaving, the leases of the last one end.
    """
    opened: list[ProcessSpawner] = []

    @asynccontextmanager
    async def open_house(
        *,
        simulate: str = SIMULATED,
        agent: Sequence[str] = AGENT_COMMAND,
        end: bool = True,
        folder: Path = data_dir,
        **options: Any,
    ) -> AsyncIterator[House]:
        if not (folder / "gateway.sqlite").exists():
            shutil.copy(empty_database, folder / "gateway.sqlite")
        one = ProcessSpawner(
            ProcessSettings(folder / "containers", dict(os.environ), simulate, agent_command=agent)
        )
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(
                open_gateway(GatewayOptions(folder, **options), {one.name: one}, default_table())
            )
            if end:
                stack.push_async_callback(gateway.end_all_leases)
            yield House(gateway, folder)
        opened.append(one)

    yield open_house
    for one in opened:  # what an earlier one started and a later one ended is still this process's child
        one._machine._children.reap()


@pytest.fixture
async def house(open_house: Open) -> AsyncIterator[House]:
    """A gateway whose containers never dial home."""
    async with open_house(agent=NO_AGENT) as house:
        yield house


@pytest.fixture
async def ada(house: House) -> Face:
    return await house.user("ada")


@pytest.fixture
async def bob(house: House) -> Face:
    return await house.user("bob")


@pytest.fixture
async def operator(house: House) -> Face:
    return await house.user("olga", Role.OPERATOR)
