"""Users, roles and tokens. Tokens are random, shown once, and kept as hashes only."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from ..api import UserId
from ..api.identifiers import new_user_id
from ..errors import BadRequest, Conflict, NotFound
from .tables import tokens, users

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Role(Enum):
    """`OPERATOR` also sees other users' sessions and the gateway's own affairs."""

    USER = "user"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class User:
    id: UserId
    name: str
    role: Role

    @property
    def is_operator(self) -> bool:
        return self.role is Role.OPERATOR


def new_token() -> str:
    """256 bits; long enough that an unsalted, fast hash at rest is safe."""
    return "fc_" + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def add_user(connection: Connection, name: str, role: Role) -> User:
    """Raises `BadRequest` for a name that is none, `Conflict` for one that is taken (a removed one's too)."""
    if not _NAME.fullmatch(name):
        raise BadRequest(f"{name!r} is not a user name: letters, digits and . _ @ -, at most 64")
    if connection.execute(select(users.c.id).where(users.c.name == name)).first():
        raise Conflict(
            f"the user {name} exists (or existed: names are not given twice, for the ledger's sake)"
        )
    user = User(new_user_id(), name, role)
    connection.execute(
        insert(users).values(id=user.id, name=name, role=role.value, created_at=datetime.now(UTC).isoformat())
    )
    return user


def add_token(connection: Connection, name: str, token: str) -> None:
    """Gives the user one more token; raises `NotFound` for an unknown user."""
    user = find_user(connection, name)
    connection.execute(
        insert(tokens).values(
            hash=hash_token(token), user_id=user.id, created_at=datetime.now(UTC).isoformat()
        )
    )


def remove_tokens(connection: Connection, name: str) -> None:
    """All that the user has; raises `NotFound` for an unknown user."""
    user = find_user(connection, name)
    connection.execute(delete(tokens).where(tokens.c.user_id == user.id))


def remove_user(connection: Connection, name: str) -> None:
    """The user's tokens stop working now; what she was charged stays in the ledger."""
    remove_tokens(connection, name)
    connection.execute(
        update(users).where(users.c.name == name).values(removed_at=datetime.now(UTC).isoformat())
    )


def set_role(connection: Connection, name: str, role: Role) -> None:
    user = find_user(connection, name)
    connection.execute(update(users).where(users.c.id == user.id).values(role=role.value))


def find_user(connection: Connection, name: str) -> User:
    """Raises `NotFound`, which names the users that there are."""
    row = connection.execute(select(users).where(users.c.name == name, users.c.removed_at.is_(None))).first()
    if row is None:
        names = ", ".join(user.name for user in list_users(connection)) or "none yet"
        raise NotFound(f"there is no user {name!r}; there are: {names}")
    return _user(row)


def list_users(connection: Connection) -> list[User]:
    rows = connection.execute(select(users).where(users.c.removed_at.is_(None)).order_by(users.c.name))
    return [_user(row) for row in rows]


def user_of_token(connection: Connection, token: str) -> User | None:
    """Found by the token's hash; a removed user has none."""
    row = connection.execute(
        select(users).join(tokens, tokens.c.user_id == users.c.id).where(tokens.c.hash == hash_token(token))
    ).first()
    return None if row is None else _user(row)


def _user(row: Row[Any]) -> User:
    return User(UserId(row.id), row.name, Role(row.role))
