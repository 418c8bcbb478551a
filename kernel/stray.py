"""What comes from far kernels below no running cell: late output, comms, what handling a comm's message has shown."""

from __future__ import annotations

from typing import Any

from farcell.remote_runtime.api import SessionKey
from farcell.remote_runtime.client.output import read_output
from farcell.remote_runtime.wire.messages import KernelMessage

from .far_comms import COMM_TYPES, FarComms
from .front_end import FrontEnd
from .requests import RelayedRequests

_SHOWN_LATE = frozenset({"stream", "display_data", "update_display_data", "clear_output"})
"""Of a cell that has ended; all that comes below a comm's message is shown."""


class StrayMessages:
    """Called on the client's thread. A front end finds the cell by the parent header, which was its own request's."""

    def __init__(self, front_end: FrontEnd, requests: RelayedRequests, comms: FarComms) -> None:
        self._front_end = front_end
        self._requests = requests
        self._comms = comms

    def __call__(
        self, key: SessionKey, message: KernelMessage, header: dict[str, Any], parent: dict[str, Any]
    ) -> None:
        if message.channel != "iopub":
            return
        output = read_output(message, str(header.get("msg_type")))
        request = self._requests.find(parent.get("msg_id"))
        if not parent and output.msg_type == "status":
            self._comms.end(self._comms.of(key))  # the kernel was replaced
        elif output.msg_type in COMM_TYPES:
            here = output if request is None else request.here(output)
            self._comms.heard(key, here, parent if request is None else request.header)
        elif request is not None and (not request.is_cell or output.msg_type in _SHOWN_LATE):
            self._front_end.publish(output, request.header)
            if output.content.get("execution_state") == "idle" and not request.handled.done():
                request.handled.set_result(None)
