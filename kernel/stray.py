"""Output that comes when its cell is over (a far thread goes on printing): shown under the cell it belongs to."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from farcell.remote_runtime.api import SessionKey
from farcell.remote_runtime.client.output import read_output
from farcell.remote_runtime.wire.messages import KernelMessage

_SHOWN = frozenset({"stream", "display_data", "update_display_data", "clear_output"})
_REMEMBERED = 1000


class StrayOutput:
    """Called on the client's thread. A front end finds the cell by the parent header, which was its own request's."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._headers: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def remember(self, header: dict[str, Any]) -> None:
        self._headers[str(header["msg_id"])] = header
        while len(self._headers) > _REMEMBERED:
            self._headers.popitem(last=False)

    def __call__(
        self, _key: SessionKey, message: KernelMessage, header: dict[str, Any], parent: dict[str, Any]
    ) -> None:
        kernel = getattr(self._shell, "kernel", None)
        request = self._headers.get(str(parent.get("msg_id")))
        msg_type = str(header.get("msg_type"))
        if kernel is None or request is None or msg_type not in _SHOWN:
            return
        output = read_output(message, msg_type)
        kernel.session.send(
            kernel.iopub_socket,
            msg_type,
            output.content,
            metadata=output.metadata,
            parent={"header": request},
            buffers=list(output.buffers),
            ident=f"kernel.{msg_type}".encode(),
        )
