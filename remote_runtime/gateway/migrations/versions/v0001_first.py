"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LIVE = sa.text("state != 'ended'")


def upgrade() -> None:
    op.create_table(
        "facts",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_facts"),
    )
    _create_users()
    _create_sessions()
    _create_leases()
    _create_book()
    _protect_book()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("removed_at", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_tokens"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tokens_user_id"),
    )
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"])


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ephemeral", sa.Boolean(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("image", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("shown_lease", sa.String()),
        sa.Column("shown_position", sa.BigInteger()),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_sessions_owner_id"),
        sa.UniqueConstraint("owner_id", "machine", "path", "name", name="uq_sessions_key"),
    )


def _create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("offer", sa.String(), nullable=False),
        sa.Column("spawner", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("devices", sa.JSON(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("price_nanos_per_s", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("agent_nonce", sa.String()),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("ready_at", sa.String()),
        sa.Column("ended_at", sa.String()),
        sa.Column("end_reason", sa.String()),
        sa.Column("end_detail", sa.Text(), nullable=False),
        sa.Column("unsaved", sa.JSON(), nullable=False),
        sa.Column("attested_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_leases_session_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_leases_owner_id"),
    )
    op.create_index("ix_leases_session_id", "leases", ["session_id"])
    op.create_index("ix_leases_owner_id", "leases", ["owner_id"])
    op.create_index(
        "uq_leases_live", "leases", ["session_id"], unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE
    )
    op.create_table(
        "cells",
        sa.Column("lease_id", sa.String(), nullable=False),
        sa.Column("execute_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer()),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.Column("status", sa.String()),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("peak_gpu_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("peak_gpu_utilisation", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("lease_id", "execute_id", name="pk_cells"),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name="fk_cells_lease_id"),
    )


def _create_book() -> None:
    op.create_table(
        "entries",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("lease_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("debit", sa.String(), nullable=False),
        sa.Column("credit", sa.String(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("attested_ms", sa.BigInteger(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name="fk_entries_lease_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_entries_owner_id"),
        sa.UniqueConstraint("lease_id", "seq", name="uq_entries_lease_seq"),
    )
    op.create_index("ix_entries_owner_id", "entries", ["owner_id"])


def _protect_book() -> None:
    """The book is append-only by the database itself, not by the code's good manners."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER entries_no_{verb.lower()} BEFORE {verb} ON entries "
                "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
            )
        # INSERT OR REPLACE deletes without a trigger
        op.execute(
            "CREATE TRIGGER entries_no_replace BEFORE INSERT ON entries WHEN EXISTS (SELECT 1 FROM entries "
            "WHERE id = NEW.id OR (lease_id = NEW.lease_id AND seq = NEW.seq)) "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER entries_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
