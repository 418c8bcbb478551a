"""Kernel specs and kernels in the shapes of Jupyter Server's REST API."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypedDict

from ...api import Offer, SessionState
from ..live_session import LiveSession

_STATES = {SessionState.IDLE: "idle", SessionState.BUSY: "busy"}


class KernelSpecModel(TypedDict):
    """`spec` is what a ``kernel.json`` holds."""

    name: str
    spec: dict[str, Any]
    resources: dict[str, str]


class KernelSpecsModel(TypedDict):
    """`default` is empty where there is no offer."""

    default: str
    kernelspecs: dict[str, KernelSpecModel]


class KernelModel(TypedDict):
    id: str
    name: str
    last_activity: str
    execution_state: str
    connections: int


def spec_name(offer: str, *, simulated: bool) -> str:
    return f"farcell-{offer.lower()}{'-simulated' if simulated else ''}"


def kernel_specs(offers: Iterable[Offer]) -> KernelSpecsModel:
    """One for each offer; the first is the default."""
    specs = {spec["name"]: spec for spec in map(_kernel_spec, offers)}
    return {"default": next(iter(specs), ""), "kernelspecs": specs}


def _kernel_spec(offer: Offer) -> KernelSpecModel:
    return {
        "name": spec_name(offer.name, simulated=offer.simulated),
        "spec": {
            "argv": [],
            "display_name": f"Farcell ({offer.label})",
            "language": "python",
            "interrupt_mode": "message",
            "env": {},
            "metadata": {"farcell": {"offer": offer.name, "simulated": offer.simulated}},
        },
        "resources": {},
    }


def kernel(live: LiveSession, offers: Iterable[Offer]) -> KernelModel:
    """`offers` tell which spec a kernel that still waits for its container is of."""
    return {
        "id": live.session.id,
        "name": _name(live, offers),
        "last_activity": timestamp(live.relay.used_at),
        "execution_state": _STATES.get(live.state, "starting"),
        "connections": live.connections,
    }


def _name(live: LiveSession, offers: Iterable[Offer]) -> str:
    if live.lease is not None:
        return spec_name(live.lease.offer, simulated=live.lease.simulated)
    asked = str(live.session.request)
    simulated = any(offer.simulated for offer in offers if offer.name == asked)
    return spec_name(asked, simulated=simulated)


def timestamp(seconds: float) -> str:
    """As Jupyter Server writes it, always with microseconds: some clients read no other form."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
