"""What stands around a session's containers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("walls", sa.JSON(), nullable=False, server_default="{}"))
