"""Users, records and the book on every database that a gateway can have: SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, delete, insert, inspect, select, text, update
from sqlalchemy.exc import DatabaseError

from farcell.remote_runtime.api import (
    EndReason,
    Lease,
    LeaseId,
    LeaseState,
    Request,
    Session,
    SessionKey,
    SessionSettings,
    SessionSpec,
    SessionState,
)
from farcell.remote_runtime.errors import BadRequest, Conflict, NotFound
from farcell.remote_runtime.gateway import book, records, users
from farcell.remote_runtime.gateway.database import HEAD, Database
from farcell.remote_runtime.gateway.tables import entries, metadata, tokens
from farcell.remote_runtime.gateway.users import Role, User
from farcell.remote_runtime.wire import control

from . import postgres
from .conftest import NO_AGENT
from .faces import until
from .played_agent import lease_of, played

READY = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRICE = 1_097_003


@pytest.fixture(scope="session")
def postgres_server(require) -> Iterator[str]:
    """A server with the database ``empty``, which has the newest schema, to be copied."""
    bin_folder = postgres.programs()
    require("PostgreSQL", "apt-get install postgresql", found=bin_folder is not None)
    with postgres.server(bin_folder) as url:
        administrate(url, "CREATE DATABASE empty")
        database = Database(f"{url}/empty")
        database.migrate()
        database.close()
        yield url


def administrate(server: str, statement: str) -> None:
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path) -> str:
    """A database of the test's own, with nothing in it but the newest schema."""
    if request.param == "sqlite":
        shutil.copy(empty_database, tmp_path / "gateway.sqlite")
        return f"sqlite:///{tmp_path / 'gateway.sqlite'}"
    server = request.getfixturevalue("postgres_server")
    name = f"test_{secrets.token_hex(4)}"
    administrate(server, f"CREATE DATABASE {name} TEMPLATE empty")
    return f"{server}/{name}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def ada(database: Database) -> User:
    return database.write_now(lambda connection: users.add_user(connection, "ada", Role.USER))


@pytest.fixture
def bob(database: Database) -> User:
    return database.write_now(lambda connection: users.add_user(connection, "bob", Role.USER))


def spec(name: str = "main", request: str = "H100", **settings: float) -> SessionSpec:
    return SessionSpec(
        SessionKey("laptop", "a.ipynb", name), Request.parse(request), SessionSettings(**settings)
    )


def add_session(database: Database, user: User, name: str = "main") -> Session:
    return database.write_now(
        lambda connection: records.find_or_add_session(connection, user.id, spec(name))[0]
    )


def add_lease(database: Database, user: User, session: Session, *, simulated: bool = False) -> Lease:
    lease = Lease(
        id=LeaseId(secrets.token_hex(6)),
        session_id=session.id,
        offer="H100",
        spawner="process",
        count=2,
        devices=("GPU-1", "GPU-2"),
        simulated=simulated,
        price_nanos_per_s=PRICE,
        state=LeaseState.RUNNING,
        created_at=READY - timedelta(seconds=2),
        ready_at=READY,
    )
    token_hash = users.hash_token(lease.id)
    database.write_now(lambda connection: records.add_lease(connection, lease, user.id, token_hash))
    return lease


def charge(database: Database, lease: Lease, user: User, attested_ms: int, elapsed_ms: int = 10**9) -> int:
    entry = database.write_now(
        lambda connection: book.charge(
            connection, lease, user.id, attested_ms=attested_ms, elapsed_ms=elapsed_ms
        )
    )
    return entry.amount_nanos if entry else 0


def rows(database: Database) -> list[tuple]:
    return database.write_now(
        lambda connection: connection.execute(select(entries).order_by(entries.c.id)).all()
    )


# --- migrations ---


def test_the_migrations_make_what_the_tables_say(database: Database):
    with database._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing_and_keeps_what_is_there(database: Database, ada: User, url: str):
    again = Database(url)
    again.migrate()
    assert again.write_now(users.list_users) == [ada]
    assert (
        again.write_now(lambda connection: connection.scalar(text("SELECT version_num FROM alembic_version")))
        == HEAD
    )
    again.close()


def test_the_live_lease_of_a_session_is_unique_by_index(database: Database):
    with database._engine.connect() as connection:
        indexes = {index["name"]: index["unique"] for index in inspect(connection).get_indexes("leases")}
    assert indexes["uq_leases_live"]


# --- the ledger ---


def test_entries_can_not_be_changed_or_removed(database: Database, ada: User):
    lease = add_lease(database, ada, add_session(database, ada))
    charge(database, lease, ada, 1_000)
    before = rows(database)
    values = dict(before[0]._mapping)
    statements = [
        update(entries).values(amount_nanos=0),
        update(entries).where(entries.c.seq == 1).values(at="never"),
        delete(entries),
        delete(entries).where(entries.c.lease_id == lease.id),
        insert(entries).values(**values),
        insert(entries).values(**{**values, "id": "another"}),
    ]
    if database._engine.dialect.name == "sqlite":
        statements.append(insert(entries).prefix_with("OR REPLACE").values(**{**values, "amount_nanos": 0}))
    else:
        statements.append(text("TRUNCATE entries"))
    for statement in statements:
        with pytest.raises(DatabaseError):
            database.write_now(lambda connection, statement=statement: connection.execute(statement))
        assert rows(database) == before


def test_the_same_attestation_twice_is_charged_once(database: Database, ada: User):
    lease = add_lease(database, ada, add_session(database, ada))
    assert charge(database, lease, ada, 1_000) == PRICE
    assert [charge(database, lease, ada, 1_000) for _ in range(3)] == [0, 0, 0]
    assert charge(database, lease, ada, 500) == 0
    assert len(rows(database)) == 1


def test_charges_add_up_to_one_price_however_they_come(database: Database, ada: User):
    session = add_session(database, ada)
    lease = add_lease(database, ada, session)
    total = sum(charge(database, lease, ada, ms) for ms in (1, 99, 101, 101, 777, 12_345, 12_400))
    assert total == PRICE * 124 // 10
    bill = database.write_now(lambda connection: book.bill(connection, ada.id))
    found = database.write_now(lambda connection: records.read_session(connection, session.id))
    assert bill.total_nanos == sum(line.cost_nanos for line in bill.lines) == total == found.cost_nanos


def test_no_more_is_charged_than_has_passed_here(database: Database, ada: User):
    lease = add_lease(database, ada, add_session(database, ada))
    assert charge(database, lease, ada, 10**12, elapsed_ms=1_000) == PRICE
    assert charge(database, lease, ada, 10**12, elapsed_ms=1_000) == 0


def test_real_and_simulated_money_are_never_mixed(database: Database, ada: User):
    session = add_session(database, ada)
    real = add_lease(database, ada, session)
    end(database, real)
    simulated = add_lease(database, ada, session, simulated=True)
    charge(database, real, ada, 1_000)
    charge(database, simulated, ada, 3_000)
    bill = database.write_now(lambda connection: book.bill(connection, ada.id))
    assert (bill.total_nanos, bill.simulated_nanos) == (PRICE, 3 * PRICE)
    assert database.write_now(book.totals) == {False: PRICE, True: 3 * PRICE}
    accounts = {(row.debit.split("/")[0], row.credit.split("/")[0]) for row in rows(database)}
    assert accounts == {("real", "real"), ("simulated", "simulated")}


def test_a_bill_is_divided_among_cells_and_idle_time_to_the_nano_dollar(database: Database, ada: User):
    lease = add_lease(database, ada, add_session(database, ada))
    told = [
        control.Cell("a", 1, 100, 1_133, "ok"),
        control.Cell("b", 2, 900, 2_777, "error", 5, 6, 0.5),
        control.Cell("c", None, 5_000),
    ]
    for cell in told:
        database.write_now(lambda connection, cell=cell: records.write_cell(connection, lease.id, cell))
    charge(database, lease, ada, 7_001)
    bill = database.write_now(lambda connection: book.bill(connection, ada.id))
    assert [line.status for line in bill.lines] == ["ok", "error", None, None]
    assert [line.is_idle for line in bill.lines] == [False, False, False, True]
    assert sum(line.cost_nanos for line in bill.lines) == bill.total_nanos == PRICE * 71 // 10


def test_a_user_is_billed_for_her_own_leases_only(database: Database, ada: User, bob: User):
    charge(database, add_lease(database, ada, add_session(database, ada)), ada, 1_000)
    assert database.write_now(lambda connection: book.bill(connection, bob.id)).lines == ()


# --- sessions, leases, cells ---


def end(database: Database, lease: Lease) -> Lease:
    ended = records.end_lease(lease, EndReason.IDLE, "nothing ran", ("x",))
    database.write_now(lambda connection: records.update_lease(connection, ended))
    return ended


def test_a_session_is_found_by_its_key_and_takes_new_wishes(database: Database, ada: User, bob: User):
    def ask(user: User, wanted: SessionSpec) -> tuple[Session, bool]:
        return database.write_now(lambda connection: records.find_or_add_session(connection, user.id, wanted))

    first, is_new = ask(ada, spec())
    assert is_new
    again, is_new = ask(ada, spec(idle_s=7))
    assert (again.id, is_new, again.settings.idle_s) == (first.id, False, 7)
    assert ask(ada, spec("other"))[0].id != first.id
    assert ask(bob, spec())[0].id != first.id
    assert again.key == first.key
    assert again.request == first.request


def test_what_is_read_is_what_was_written(database: Database, ada: User):
    session = add_session(database, ada)
    lease = add_lease(database, ada, session)
    read = database.write_now(lambda connection: records.read_session(connection, session.id))
    assert read.lease == lease
    ended = replace(end(database, lease), attested_ms=1_234)
    database.write_now(lambda connection: records.update_lease(connection, ended))
    assert database.write_now(lambda connection: records.read_lease(connection, lease.id)) == ended
    assert database.write_now(lambda connection: records.read_leases(connection, ada.id, live=True)) == []
    assert database.write_now(lambda connection: records.read_leases(connection, ada.id)) == [ended]


def test_a_session_has_one_live_lease_at_most(database: Database, ada: User):
    session = add_session(database, ada)
    first = add_lease(database, ada, session)
    with pytest.raises(DatabaseError):
        add_lease(database, ada, session)
    end(database, first)
    add_lease(database, ada, session)


def test_lists_are_of_one_user_or_of_all(database: Database, ada: User, bob: User):
    hers, his = add_session(database, ada), add_session(database, bob)
    leases = [add_lease(database, ada, hers), add_lease(database, bob, his)]
    for owner, expected in ((ada.id, {hers.id}), (bob.id, {his.id}), (None, {hers.id, his.id})):
        found = database.write_now(lambda connection, owner=owner: records.read_sessions(connection, owner))
        assert {session.id for session in found} == expected
    assert database.write_now(records.read_leases) == leases


def test_states_and_requests_are_kept(database: Database, ada: User):
    session = add_session(database, ada)

    def change(connection: Connection) -> Session | None:
        records.set_queued(connection, session.id, Request.parse("T4:2"), READY)
        records.set_state(connection, session.id, SessionState.LOST)
        return records.read_session(connection, session.id)

    changed = database.write_now(change)
    assert (changed.state, str(changed.request)) == (SessionState.LOST, "T4:2")


def test_the_queue_is_read_as_it_was_written_who_waits_longest_first(
    database: Database, ada: User, bob: User
):
    later, earlier, running = (
        add_session(database, ada),
        add_session(database, bob),
        add_session(database, ada, "3"),
    )
    until = READY + timedelta(seconds=45)

    def write(connection: Connection) -> list[records.Queued]:
        records.set_queued(connection, later.id, Request.parse("T4"), READY, until)
        records.set_queued(connection, earlier.id, Request.parse("L4"), READY - timedelta(seconds=1))
        records.set_queued(connection, running.id, Request.parse("L4"), READY)
        records.set_state(connection, running.id, SessionState.STARTING)
        return records.read_queue(connection)

    first, second = database.write_now(write)
    assert (first.session.id, first.owner, str(first.session.request)) == (earlier.id, bob.id, "L4")
    assert (first.since, first.withdraw_at) == (READY - timedelta(seconds=1), None)
    assert (second.session.id, second.owner, str(second.session.request)) == (later.id, ada.id, "T4")
    assert (second.since, second.withdraw_at) == (READY, until)
    assert {first.session.state, second.session.state} == {SessionState.QUEUED}


def test_a_renewed_token_is_the_next_agents_and_the_old_one_nobodys(database: Database, ada: User):
    lease = add_lease(database, ada, add_session(database, ada))

    def bind(token: str, nonce: str) -> bool | None:
        return database.write_now(
            lambda connection: records.bind_agent(connection, lease.id, users.hash_token(token), nonce)
        )

    assert bind(lease.id, "one")
    database.write_now(lambda connection: records.renew_token(connection, lease.id, users.hash_token("new")))
    assert [bind(lease.id, "one"), bind("new", "two"), bind("new", "one")] == [None, True, False]


def test_a_cell_told_twice_or_late_is_one_cell(database: Database, ada: User):
    lease = add_lease(database, ada, add_session(database, ada))
    began, ended = control.Cell("a", 3, 10), control.Cell("a", 3, 10, 50, "ok", 1, 2, 0.25)
    for cell in (began, ended, ended, began, control.Cell("a", 3, 10, 90, "error")):
        database.write_now(lambda connection, cell=cell: records.write_cell(connection, lease.id, cell))
    (read,) = database.write_now(lambda connection: records.read_cells(connection, ada.id))
    assert (read.number, read.started_ms, read.ended_ms, read.status) == (3, 10, 50, "ok")
    assert (read.peak_memory_bytes, read.peak_gpu_memory_bytes, read.peak_gpu_utilisation) == (1, 2, 0.25)


def test_an_agents_token_is_bound_to_the_first_nonce(database: Database, ada: User):
    lease = add_lease(database, ada, add_session(database, ada))
    token_hash = users.hash_token(lease.id)

    def bind(nonce: str, lease_id: str = lease.id, hashed: str = token_hash) -> bool | None:
        return database.write_now(
            lambda connection: records.bind_agent(connection, LeaseId(lease_id), hashed, nonce)
        )

    assert bind("one", hashed="wrong") is None
    assert bind("one", lease_id="nobody") is None
    assert [bind("one"), bind("one"), bind("two"), bind("one")] == [True, True, False, True]
    end(database, lease)
    assert bind("one") is None


def test_a_fact_is_made_once(database: Database):
    def fact(default: str) -> str:
        return database.write_now(lambda connection: records.fact(connection, "gateway_id", default))

    assert [fact("first"), fact("second")] == ["first", "first"]


# --- users ---


def test_a_user_is_found_by_each_of_her_tokens(database: Database, ada: User, bob: User):
    one, two, his = users.new_token(), users.new_token(), users.new_token()
    for name, token in (("ada", one), ("ada", two), ("bob", his)):
        database.write_now(lambda connection, n=name, t=token: users.add_token(connection, n, t))

    def owner(token: str) -> User | None:
        return database.write_now(lambda connection: users.user_of_token(connection, token))

    assert [owner(one), owner(two), owner(his), owner("")] == [ada, ada, bob, None]
    database.write_now(lambda connection: users.remove_tokens(connection, "ada"))
    assert [owner(one), owner(his)] == [None, bob]


def test_tokens_are_kept_as_hashes(database: Database, ada: User):
    token = users.new_token()
    database.write_now(lambda connection: users.add_token(connection, "ada", token))
    (row,) = database.write_now(lambda connection: connection.execute(select(tokens)).all())
    assert token not in str(row)
    assert users.hash_token(token) == row.hash


def test_a_removed_user_is_nobody_and_keeps_her_name(database: Database, ada: User):
    token = users.new_token()
    database.write_now(lambda connection: users.add_token(connection, "ada", token))
    database.write_now(lambda connection: users.remove_user(connection, "ada"))
    assert database.write_now(lambda connection: users.user_of_token(connection, token)) is None
    assert database.write_now(users.list_users) == []
    with pytest.raises(NotFound, match="none yet"):
        database.write_now(lambda connection: users.add_token(connection, "ada", token))
    with pytest.raises(Conflict, match="ada"):
        database.write_now(lambda connection: users.add_user(connection, "ada", Role.USER))


def test_a_role_is_changed(database: Database, ada: User):
    database.write_now(lambda connection: users.set_role(connection, "ada", Role.OPERATOR))
    assert database.write_now(lambda connection: users.find_user(connection, "ada")).is_operator


def test_a_name_that_is_none_is_refused(database: Database):
    for name in ("", " ", "a b", "-a", "a/b", "a" * 65, "ada\n"):
        with pytest.raises(BadRequest):
            database.write_now(lambda connection, name=name: users.add_user(connection, name, Role.USER))


# --- the database itself ---


async def test_what_raises_is_rolled_back(database: Database):
    def fail(connection: Connection) -> None:
        users.add_user(connection, "carol", Role.USER)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(fail)
    assert await database.read(users.list_users) == []


async def test_writes_are_one_after_the_other(database: Database):
    def add(number: int) -> User:
        return database.write_now(lambda connection: users.add_user(connection, f"user{number}", Role.USER))

    await asyncio.gather(*(asyncio.to_thread(add, number) for number in range(20)))
    assert len(await database.read(users.list_users)) == 20


def test_closing_twice_is_silent(url: str):
    database = Database(url)
    database.write_now(users.list_users)
    database.close()
    database.close()


async def test_a_gateway_serves_from_it(open_house, url: str):
    async with open_house(agent=NO_AGENT, database_url=url) as house:
        ada = await house.user("ada")
        session_id = (await ada.session(path="Ünïcode \u2603/" + "p" * 900, name="n" * 200)).json["id"]
        lease_id = await lease_of(ada, session_id)
        async with played(house, lease_id) as agent:
            await agent.ready()
            await until(lambda: house.gateway.keeper.find(lease_id).elapsed_ms())
            await agent.tell(
                control.Cell("a", 1, 0), control.Cell("a", 1, 0, 1, "ok"), control.Usage(uptime_ms=1)
            )
            await ada.until_state(session_id, "idle")
            await agent.hear_order(control.LeaseEnd)
        ended = (await ada.delete(f"/farcell/v1/sessions/{session_id}")).json
        bill = (await ada.get("/farcell/v1/bill")).json
        assert bill["simulated_nanos"] == ended["cost_nanos"] == ended["lease"]["price_nanos_per_s"] // 10
        assert [line["status"] for line in bill["lines"] if line["execute_id"]] == ["ok"]
    async with open_house(agent=NO_AGENT, database_url=url) as house:
        again = await house.user("ada")
        assert (await again.get("/farcell/v1/bill")).json == bill
