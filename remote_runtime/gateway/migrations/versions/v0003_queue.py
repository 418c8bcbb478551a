"""The queue: since when a session waits, and how long at most."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("queued_at", sa.String()))
    op.add_column("sessions", sa.Column("withdraw_at", sa.String()))
