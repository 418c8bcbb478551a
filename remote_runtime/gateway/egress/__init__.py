"""The way out of containers that have no network: an HTTP(S) proxy for each lease, and what it lets through."""

from .desk import BUILDS, EgressDesk, EgressSetup, socket_of
from .policy import EgressRules, PrivatePlaces
from .upstream import Upstream

__all__ = ["BUILDS", "EgressDesk", "EgressRules", "EgressSetup", "PrivatePlaces", "Upstream", "socket_of"]
