"""Sessions, leases and cells in the database: functions of a connection, between rows and API types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from ..api import (
    CellRecord,
    EndReason,
    Failure,
    Holder,
    Image,
    Lease,
    LeaseId,
    LeaseState,
    Session,
    SessionId,
    SessionKey,
    SessionSpec,
    SessionState,
    Shown,
    UserId,
    from_json,
    to_json,
)
from ..api.identifiers import new_session_id
from ..api.request import Request
from ..wire import control
from .tables import cells, entries, facts, leases, sessions, users


def fact(connection: Connection, name: str, default: str) -> str:
    """A fact about this gateway that is made once and then kept, such as its id."""
    value = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
    if value is None:
        connection.execute(insert(facts).values(name=name, value=default))
    return default if value is None else str(value)


# --- sessions ---


def find_or_add_session(connection: Connection, owner: UserId, spec: SessionSpec) -> tuple[Session, bool]:
    """The session of that key, and whether it is new; it takes settings and walls from `spec` either way.

    And the image, unless it keeps its own.
    """
    session_id = find_session(connection, owner, spec.key)
    if session_id is None:
        return _add_session(connection, owner, spec), True
    if spec.keeps_image and (found := read_session(connection, session_id)) is not None:
        spec = replace(spec, image=replace(found.image, python=spec.image.python))
    wishes = {name: to_json(getattr(spec, name)) for name in ("settings", "image", "walls")}
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(**wishes))
    found = read_session(connection, session_id)
    assert found is not None
    return found, False


def find_session(connection: Connection, owner: UserId, key: SessionKey) -> SessionId | None:
    found = connection.execute(
        select(sessions.c.id).where(
            sessions.c.owner_id == owner,
            sessions.c.machine == key.machine,
            sessions.c.path == key.path,
            sessions.c.name == key.name,
        )
    ).scalar()
    return None if found is None else SessionId(str(found))


def _add_session(connection: Connection, owner: UserId, spec: SessionSpec) -> Session:
    session_id = new_session_id()
    connection.execute(
        insert(sessions).values(
            id=session_id,
            owner_id=owner,
            machine=spec.key.machine,
            path=spec.key.path,
            name=spec.key.name,
            ephemeral=spec.key.ephemeral,
            request=str(spec.request),
            settings=to_json(spec.settings),
            image=to_json(spec.image),
            walls=to_json(spec.walls),
            state=SessionState.STOPPED.value,
            created_at=_now(),
        )
    )
    session = read_session(connection, session_id)
    assert session is not None
    return session


@dataclass(frozen=True, slots=True)
class Queued:
    """A session that waits for a container: since when, and until when somebody waits for it; None for ever."""

    session: Session
    owner: UserId
    since: datetime
    withdraw_at: datetime | None


def set_queued(
    connection: Connection,
    session_id: SessionId,
    request: Request,
    since: datetime,
    withdraw_at: datetime | None = None,
) -> None:
    """The session waits, with that request and held by nobody, until another state is set."""
    values = {
        "state": SessionState.QUEUED.value,
        "request": str(request),
        "queued_at": since.isoformat(),
        "withdraw_at": withdraw_at.isoformat() if withdraw_at else None,
        "holder_client": None,
        "holder_name": None,
        "failure": None,
    }
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(values))


def read_queue(connection: Connection) -> list[Queued]:
    """Who waits longest first."""
    waiting = sessions.c.state == SessionState.QUEUED.value
    rows = connection.execute(_sessions().where(waiting).order_by(sessions.c.queued_at)).mappings().all()
    return [
        Queued(
            _session(connection, row),
            UserId(row["owner_id"]),
            datetime.fromisoformat(row["queued_at"]),
            datetime.fromisoformat(row["withdraw_at"]) if row["withdraw_at"] else None,
        )
        for row in rows
    ]


def set_wishes(connection: Connection, session: Session) -> None:
    """The image and the walls that its next container has."""
    values = {"image": to_json(session.image), "walls": to_json(session.walls)}
    connection.execute(update(sessions).where(sessions.c.id == session.id).values(values))


def set_holder(connection: Connection, session_id: SessionId, holder: Holder) -> None:
    values = {"holder_client": holder.client, "holder_name": holder.name}
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(values))


def set_state(connection: Connection, session_id: SessionId, state: SessionState) -> None:
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(state=state.value))


def set_failure(connection: Connection, session_id: SessionId, failure: Failure) -> None:
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(failure=to_json(failure)))


def set_image(connection: Connection, session_id: SessionId, image: Image) -> None:
    """What its next container is started with: nothing that was installed by hand is missing there."""
    values = {"image": to_json(image), "installed": []}
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(values))


def set_installed(connection: Connection, session_id: SessionId, packages: Sequence[str]) -> None:
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(installed=list(packages)))


def set_shown(connection: Connection, session_id: SessionId, shown: Shown) -> None:
    values = {"shown_lease": shown.lease_id, "shown_position": shown.position}
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(values))


def read_session(connection: Connection, session_id: SessionId) -> Session | None:
    row = connection.execute(_sessions().where(sessions.c.id == session_id)).mappings().first()
    return None if row is None else _session(connection, row)


def read_sessions(connection: Connection, owner: UserId | None = None) -> list[Session]:
    """All sessions of a user (of all users for None), the newest first."""
    query = _sessions().order_by(sessions.c.created_at.desc())
    if owner is not None:
        query = query.where(sessions.c.owner_id == owner)
    return [_session(connection, row) for row in connection.execute(query).mappings().all()]


def _sessions() -> Select[Any]:
    cost = (
        select(func.coalesce(func.sum(entries.c.amount_nanos), 0))
        .join(leases, leases.c.id == entries.c.lease_id)
        .where(leases.c.session_id == sessions.c.id)
        .scalar_subquery()
    )
    return select(sessions, users.c.name.label("owner"), cost.label("cost_nanos")).join(users)


def _session(connection: Connection, row: Mapping[Any, Any]) -> Session:
    newest = (
        select(leases).where(leases.c.session_id == row["id"]).order_by(leases.c.created_at.desc()).limit(1)
    )
    lease = connection.execute(newest).mappings().first()
    spec = from_json(
        SessionSpec,
        {
            "key": {name: row[name] for name in ("machine", "path", "name", "ephemeral")},
            "request": row["request"],
            "settings": row["settings"],
            "image": row["image"],
            "walls": row["walls"],
        },
    )
    return Session(
        id=SessionId(row["id"]),
        owner=row["owner"],
        key=spec.key,
        request=spec.request,
        state=SessionState(row["state"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        settings=spec.settings,
        image=spec.image,
        walls=spec.walls,
        lease=None if lease is None else _lease(lease),
        cost_nanos=int(row["cost_nanos"]),
        shown=Shown(LeaseId(row["shown_lease"]), row["shown_position"]) if row["shown_lease"] else None,
        failure=from_json(Failure, row["failure"]) if row["failure"] else None,
        installed=tuple(row["installed"]),
        holder=Holder(row["holder_client"], row["holder_name"]) if row["holder_client"] else None,
    )


# --- leases ---


def add_lease(connection: Connection, lease: Lease, owner: UserId, token_hash: str) -> None:
    connection.execute(insert(leases).values(**to_json(lease), owner_id=owner, token_hash=token_hash))


def update_lease(connection: Connection, lease: Lease) -> None:
    """Writes what changes in a lease's life."""
    values = to_json(lease)
    changing = ("state", "ready_at", "ended_at", "end_reason", "end_detail", "unsaved", "attested_ms")
    connection.execute(
        update(leases).where(leases.c.id == lease.id).values({name: values[name] for name in changing})
    )


def end_lease(lease: Lease, reason: EndReason, detail: str, unsaved: tuple[str, ...] = ()) -> Lease:
    """The ended form of a lease; the end's time is now."""
    return replace(
        lease,
        state=LeaseState.ENDED,
        ended_at=datetime.now(UTC),
        end_reason=reason,
        end_detail=detail,
        unsaved=unsaved,
    )


def read_lease(connection: Connection, lease_id: LeaseId) -> Lease | None:
    row = connection.execute(select(leases).where(leases.c.id == lease_id)).mappings().first()
    return None if row is None else _lease(row)


def read_leases(connection: Connection, owner: UserId | None = None, *, live: bool = False) -> list[Lease]:
    """Leases of a user (of all users for None), the oldest first; with `live` only those not ended."""
    query = select(leases).order_by(leases.c.created_at)
    if owner is not None:
        query = query.where(leases.c.owner_id == owner)
    if live:
        query = query.where(leases.c.state != LeaseState.ENDED.value)
    return [_lease(row) for row in connection.execute(query).mappings()]


def leases_of_session(connection: Connection, session_id: SessionId) -> list[LeaseId]:
    """The newest first."""
    query = select(leases.c.id).where(leases.c.session_id == session_id).order_by(leases.c.created_at.desc())
    return [LeaseId(row.id) for row in connection.execute(query)]


def owner_of_session(connection: Connection, session_id: SessionId) -> UserId | None:
    owner = connection.execute(select(sessions.c.owner_id).where(sessions.c.id == session_id)).scalar()
    return None if owner is None else UserId(str(owner))


def renew_token(connection: Connection, lease_id: LeaseId, token_hash: str) -> None:
    """Another agent is to come, with another token; the one before, if there was one, is refused from now on."""
    values = {"token_hash": token_hash, "agent_nonce": None}
    connection.execute(update(leases).where(leases.c.id == lease_id).values(values))


def is_lease_token(connection: Connection, lease_id: LeaseId, token_hash: str) -> bool:
    """Whether the token belongs to that lease, and it has not ended."""
    return connection.execute(_lease_of_token(lease_id, token_hash)).first() is not None


def _lease_of_token(lease_id: LeaseId, token_hash: str) -> Select[tuple[str | None]]:
    return select(leases.c.agent_nonce).where(
        leases.c.id == lease_id, leases.c.token_hash == token_hash, leases.c.state != LeaseState.ENDED.value
    )


def bind_agent(connection: Connection, lease_id: LeaseId, token_hash: str, nonce: str) -> bool | None:
    """Binds a lease's token to the nonce of the first agent that comes with it.

    None: no such lease, ended, or not its token. False: another agent has it already.
    """
    row = connection.execute(_lease_of_token(lease_id, token_hash)).first()
    if row is None:
        return None
    if row.agent_nonce is None:
        connection.execute(update(leases).where(leases.c.id == lease_id).values(agent_nonce=nonce))
        return True
    return bool(row.agent_nonce == nonce)


def _lease(row: Mapping[Any, Any]) -> Lease:
    return from_json(Lease, plain(row))


# --- cells ---


def write_cell(connection: Connection, lease_id: LeaseId, cell: control.Cell) -> None:
    """Adds a cell that began, or tells its end; said twice, it changes nothing."""
    found = (cells.c.lease_id == lease_id) & (cells.c.execute_id == cell.execute_id)
    values = {name: value for name, value in to_json(cell).items() if name not in ("type", "execute_id")}
    if connection.execute(select(cells.c.execute_id).where(found)).first() is None:
        connection.execute(insert(cells).values(lease_id=lease_id, execute_id=cell.execute_id, **values))
    elif cell.ended_ms is not None:
        connection.execute(update(cells).where(found, cells.c.ended_ms.is_(None)).values(**values))


def read_cells(connection: Connection, owner: UserId | None = None) -> list[CellRecord]:
    query = select(cells).order_by(cells.c.lease_id, cells.c.started_ms)
    if owner is not None:
        query = query.join(leases, leases.c.id == cells.c.lease_id).where(leases.c.owner_id == owner)
    return [from_json(CellRecord, plain(row)) for row in connection.execute(query).mappings()]


def plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row for `from_json`, which wants its keys to be plain texts."""
    return {str(name): value for name, value in row.items()}


def _now() -> str:
    return datetime.now(UTC).isoformat()
