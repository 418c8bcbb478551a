"""The wire: kernel messages in Jupyter's WebSocket layouts, link frames, and the stream that survives cuts.

Bytes and events in, bytes and events out: no socket, no clock, no thread. Client, gateway and agent share it.
"""

from .frames import Kind, Priority
from .lanes import Message
from .messages import KernelMessage
from .stream import Limits, Stream

__all__ = ["KernelMessage", "Kind", "Limits", "Message", "Priority", "Stream"]
