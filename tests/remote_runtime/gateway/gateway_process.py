"""A gateway in a process of its own, and users for it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from farcell.remote_runtime.gateway import users
from farcell.remote_runtime.gateway.database import Database
from farcell.remote_runtime.gateway.users import Role

from .conftest import _add

HERE = Path(__file__).parent


@asynccontextmanager
async def gateway_process(
    folder: Path, port: int = 0, **given: Any
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A gateway that can be killed; `given` is more for `gateway_program`."""
    given = {"folder": str(folder), "simulate": "H100:2", "port": port, **given}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "gateway_program.py"), json.dumps(given), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()


async def new_user(folder: Path) -> str:
    database = Database.of_gateway(folder)
    try:
        await asyncio.to_thread(database.migrate)
        token = users.new_token()
        await database.write(lambda connection: _add(connection, "ada", Role.USER, token))
    finally:
        database.close()
    return token
