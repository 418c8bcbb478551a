"""The ids that cross the wire, each a type of its own so that none is passed for another."""

from __future__ import annotations

import secrets
import uuid
from typing import NewType

GatewayId = NewType("GatewayId", str)
SessionId = NewType("SessionId", str)
LeaseId = NewType("LeaseId", str)
UserId = NewType("UserId", str)
ExecuteId = NewType("ExecuteId", str)
"""A front end's ``msg_id`` of an ``execute_request``; never made by us for a cell that has one."""


def new_gateway_id() -> GatewayId:
    return GatewayId(secrets.token_hex(6))


def new_session_id() -> SessionId:
    """A UUID, since stock Jupyter clients see it as a kernel id."""
    return SessionId(str(uuid.uuid4()))


def new_lease_id() -> LeaseId:
    """Short: it is part of socket paths, which have about 108 bytes."""
    return LeaseId(secrets.token_hex(6))


def new_user_id() -> UserId:
    return UserId(secrets.token_hex(6))
