"""What stock Jupyter clients ask beside kernels: which server this is, who one is, and what there is not."""

from __future__ import annotations

from typing import TypedDict

from ...api import SessionState
from ...errors import NotFound
from ..users import User
from .base import JsonHandler
from .kernel_models import timestamp
from .operation import Operation

JUPYTER_VERSION = "2.17.0"
"""The release of Jupyter Server whose REST API this is."""


class VersionModel(TypedDict):
    version: str


class StatusModel(TypedDict):
    started: str
    last_activity: str
    kernels: int
    connections: int


class Identity(TypedDict):
    username: str
    name: str
    display_name: str
    initials: str
    avatar_url: str | None
    color: str | None


class MeModel(TypedDict):
    identity: Identity
    permissions: dict[str, list[str]]


class ApiVersion(JsonHandler):
    """``GET /api``."""

    anonymous = True

    @Operation("The release of Jupyter Server whose API this is", VersionModel)
    def get(self) -> None:
        self.write_json(VersionModel(version=JUPYTER_VERSION))


class ApiStatus(JsonHandler):
    """``GET /api/status``: the user's own kernels and their connections."""

    @Operation("How many kernels and connections one has", StatusModel)
    def get(self) -> None:
        live = [one for one in self.gateway.keeper.live.values() if one.owner == self.user.id]
        used_at = max((one.relay.used_at for one in live), default=self.gateway.started_at)
        self.write_json(
            StatusModel(
                started=timestamp(self.gateway.started_at),
                last_activity=timestamp(used_at),
                kernels=sum(one.state is not SessionState.STOPPING for one in live),
                connections=sum(one.connections for one in live),
            )
        )


class ApiMe(JsonHandler):
    """``GET /api/me``: the identity, in Jupyter's shape."""

    @Operation("Who one is", MeModel)
    def get(self) -> None:
        self.write_json(MeModel(identity=_identity(self.user), permissions={}))


class NotServed(JsonHandler):
    """Files and terminals: a gateway has kernels alone, and says so to who looks for more."""

    async def check(self) -> None:
        await super().check()
        raise NotFound("this gateway has kernels, and neither files nor terminals")


def _identity(user: User) -> Identity:
    return {
        "username": user.name,
        "name": user.name,
        "display_name": user.name,
        "initials": user.name[:2].upper(),
        "avatar_url": None,
        "color": None,
    }
