"""Images that users keep under a name, and what became of the build and the packages of a session's."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("failure", sa.JSON()))
    op.add_column("sessions", sa.Column("installed", sa.JSON(), nullable=False, server_default="[]"))
    op.create_table(
        "saved_images",
        sa.Column("owner_id", sa.String(), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("image", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.String(), nullable=False),
    )
