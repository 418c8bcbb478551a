"""The schema's history, by alembic; each version is one module in `versions`."""

from .run import upgrade

__all__ = ["upgrade"]
