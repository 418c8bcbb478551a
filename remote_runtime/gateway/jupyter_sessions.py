"""Jupyter's own sessions in the database: which document of a user has which kernel. Functions of a connection.

They are names for kernels and nothing more; a session of Farcell is what Jupyter calls a kernel.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from ..api import SessionId, UserId
from .tables import jupyter_sessions as table


@dataclass(frozen=True, slots=True)
class JupyterSession:
    """`path` need not be a file's: clients also put an id there. `type` is such as ``notebook``."""

    id: str
    path: str
    name: str
    type: str
    kernel_id: SessionId


def find_or_add(connection: Connection, owner: UserId, session: JupyterSession) -> JupyterSession:
    """The session of that path, which may be an older one."""
    row = connection.execute(
        select(table).where(table.c.owner_id == owner, table.c.path == session.path)
    ).first()
    if row is not None:
        return _session(row)
    connection.execute(insert(table).values(**asdict(session), owner_id=owner))
    return session


def read(connection: Connection, owner: UserId) -> list[JupyterSession]:
    rows = connection.execute(select(table).where(table.c.owner_id == owner).order_by(table.c.path))
    return [_session(row) for row in rows]


def write(connection: Connection, session: JupyterSession) -> None:
    """What may have changed of a session that is there."""
    connection.execute(update(table).where(table.c.id == session.id).values(**asdict(session)))


def remove(connection: Connection, *session_ids: str) -> None:
    """Silent for those that are not there."""
    connection.execute(delete(table).where(table.c.id.in_(session_ids)))


def _session(row: Row[Any]) -> JupyterSession:
    return JupyterSession(row.id, row.path, row.name, row.type, SessionId(row.kernel_id))
