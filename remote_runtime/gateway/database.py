"""The gateway's database under asyncio: one writer, a few readers, each in its own threads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

T = TypeVar("T")

HEAD = "0006"
"""The newest migration; a database that has it is not touched at start (alembic is then not even imported)."""


class Database:
    """Runs functions of a connection: `write` in one transaction, one after the other; `read` beside them.

    A function that raises rolls its transaction back. `close` may be called twice.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="farcell-database-writer")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="farcell-database-reader")

    @classmethod
    def of_gateway(cls, folder: Path, url: str | None = None) -> Database:
        """The one at `url`; without it, SQLite in the gateway's folder."""
        return cls(url or f"sqlite:///{folder / 'gateway.sqlite'}")

    def migrate(self) -> None:
        """Brings the schema to the newest version; blocks."""
        if _version(self._engine) != HEAD:
            logging.getLogger("alembic").setLevel(logging.WARNING)
            from .migrations import upgrade

            upgrade(self._engine)

    def check(self) -> None:
        """Raises SQLAlchemy's error, or `ImportError` for its driver, where it can't be reached; changes nothing."""
        with self._engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    async def write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._begin, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._begin, work)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """As `write`, for command-line programs without a loop."""
        return self._writer.submit(self._begin, work).result()

    def _begin(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()


def _engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": 30})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """WAL lets readers go on beside the writer; NORMAL keeps every commit over a crash of the process."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _version(engine: Engine) -> str | None:
    try:
        with engine.connect() as connection:
            version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return version
    except DatabaseError:
        return None
