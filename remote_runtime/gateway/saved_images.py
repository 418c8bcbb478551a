"""The images that users keep under names: functions of a connection."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select

from ..api import Image, SavedImage, UserId, from_json, to_json
from ..errors import NotFound
from .tables import saved_images

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def keep(connection: Connection, owner: UserId, name: str, image: Image) -> SavedImage:
    """In place of the one that had the name. An interpreter of some machine is no part of it."""
    kept = SavedImage(name, replace(image, python=None), datetime.now(UTC))
    _delete(connection, owner, name)
    values = {"name": name, "image": to_json(kept.image), "saved_at": kept.saved_at.isoformat()}
    connection.execute(insert(saved_images).values(owner_id=owner, **values))
    return kept


def read_all(connection: Connection, owner: UserId) -> list[SavedImage]:
    """By name."""
    query = select(saved_images).where(saved_images.c.owner_id == owner).order_by(saved_images.c.name)
    return [
        SavedImage(row.name, from_json(Image, row.image), datetime.fromisoformat(row.saved_at))
        for row in connection.execute(query)
    ]


def read(connection: Connection, owner: UserId, name: str) -> SavedImage:
    """Raises `NotFound`, with the names that there are."""
    saved = {one.name: one for one in read_all(connection, owner)}
    if name not in saved:
        raise NotFound(f"no image is kept under {name[:100]!r}; there are: {', '.join(saved) or 'none'}")
    return saved[name]


def forget(connection: Connection, owner: UserId, name: str) -> None:
    """Raises `NotFound`."""
    read(connection, owner, name)
    _delete(connection, owner, name)


def _delete(connection: Connection, owner: UserId, name: str) -> None:
    connection.execute(
        delete(saved_images).where(saved_images.c.owner_id == owner, saved_images.c.name == name)
    )
