"""Alembic's entry: it is run by `run.upgrade`, with the connection in the configuration's attributes."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
