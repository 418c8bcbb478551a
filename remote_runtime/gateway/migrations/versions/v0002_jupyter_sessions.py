"""Which document of a user has which kernel, as stock Jupyter clients ask."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jupyter_sessions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("kernel_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jupyter_sessions"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_jupyter_sessions_owner_id"),
        sa.ForeignKeyConstraint(["kernel_id"], ["sessions.id"], name="fk_jupyter_sessions_kernel_id"),
    )
    op.create_index("ix_jupyter_sessions_owner_id", "jupyter_sessions", ["owner_id"])
