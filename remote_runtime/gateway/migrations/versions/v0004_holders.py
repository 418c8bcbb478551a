"""Which of our own clients has a session."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("holder_client", sa.String()))
    op.add_column("sessions", sa.Column("holder_name", sa.String()))
