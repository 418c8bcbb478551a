"""The way out of containers that have no network: an HTTP(S) proxy for each lease, and what it lets through."""

from .desk import EgressDesk
from .policy import EgressRules, PrivatePlaces
from .upstream import Upstream

__all__ = ["EgressDesk", "EgressRules", "PrivatePlaces", "Upstream"]
