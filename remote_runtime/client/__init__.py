"""The client: one async core (`gateway_client`, `channels`) with one thin blocking face (`blocking`).

It runs on the user's machine, beside the notebook, on every system; it never imports gateway or agent.
"""

from .gateway_client import GatewayClient
from .locate import connect

__all__ = ["GatewayClient", "connect"]
