"""The gateway's tables. What is nested (specs, devices, details) is stored in the API types' JSON form.

Times are ISO 8601 texts in UTC, money integer nano-dollars, durations integer milliseconds.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

facts = Table(
    "facts",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("removed_at", String),
)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", String, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", String, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False),
    Column("machine", String, nullable=False),
    Column("path", String, nullable=False),
    Column("name", String, nullable=False),
    Column("ephemeral", Boolean, nullable=False),
    Column("request", String, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("image", JSON, nullable=False),
    Column("walls", JSON, nullable=False),
    Column("state", String, nullable=False),
    # of one that is queued: since when, and when nobody waits for it any more, if ever
    Column("queued_at", String),
    Column("withdraw_at", String),
    Column("shown_lease", String),
    Column("shown_position", BigInteger),
    Column("created_at", String, nullable=False),
    # why it has got no container, and what was installed by hand in the newest
    Column("failure", JSON),
    Column("installed", JSON, nullable=False, default=list),
    Column("holder_client", String),
    Column("holder_name", String),
    UniqueConstraint("owner_id", "machine", "path", "name", name="uq_sessions_key"),
)

saved_images = Table(
    "saved_images",
    metadata,
    Column("owner_id", ForeignKey("users.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("image", JSON, nullable=False),
    Column("saved_at", String, nullable=False),
)

jupyter_sessions = Table(
    "jupyter_sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("path", String, nullable=False),
    Column("name", String, nullable=False),
    Column("type", String, nullable=False),
    Column("kernel_id", ForeignKey("sessions.id"), nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("id", String, primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False, index=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("offer", String, nullable=False),
    Column("spawner", String, nullable=False),
    Column("count", Integer, nullable=False),
    Column("devices", JSON, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("price_nanos_per_s", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("token_hash", String, nullable=False),
    Column("agent_nonce", String),
    Column("created_at", String, nullable=False),
    Column("ready_at", String),
    Column("ended_at", String),
    Column("end_reason", String),
    Column("end_detail", Text, nullable=False, default=""),
    Column("unsaved", JSON, nullable=False),
    Column("attested_ms", BigInteger, nullable=False, default=0),
    # One container a session, whatever two gateways or two requests at once try. That it holds for live leases only is
    # said in the migration: said here, every dialect of it would be imported at every start.
    Index("uq_leases_live", "session_id", unique=True),
)

cells = Table(
    "cells",
    metadata,
    Column("lease_id", ForeignKey("leases.id"), primary_key=True),
    Column("execute_id", String, primary_key=True),
    Column("number", Integer),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("status", String),
    Column("peak_memory_bytes", BigInteger, nullable=False),
    Column("peak_gpu_memory_bytes", BigInteger, nullable=False),
    Column("peak_gpu_utilisation", Float, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("id", String, primary_key=True),
    Column("lease_id", ForeignKey("leases.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("owner_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("debit", String, nullable=False),
    Column("credit", String, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("attested_ms", BigInteger, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("at", String, nullable=False),
    UniqueConstraint("lease_id", "seq", name="uq_entries_lease_seq"),
)
"""The ledger's book. Triggers of the first migration refuse every update and delete."""
