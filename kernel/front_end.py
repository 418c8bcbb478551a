"""The front end of an ordinary kernel, as a far kernel's messages reach it: through the local kernel's IOPub."""

from __future__ import annotations

from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from farcell.remote_runtime.client.output import Output

Header = dict[str, Any]


class FrontEnd:
    """To be used from any thread. In a plain IPython terminal there is no kernel, and nobody to tell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    @property
    def kernel(self) -> Any:
        return getattr(self._shell, "kernel", None)

    def publish(self, output: Output, request: Header | None) -> None:
        """Below a request of the front end's, found by its header; None: below none."""
        if self.kernel is not None:
            self.kernel.session.send(
                self.kernel.iopub_socket,
                output.msg_type,
                output.content,
                metadata=output.metadata,
                parent={"header": request} if request else None,
                buffers=list(output.buffers),
                ident=f"kernel.{output.msg_type}".encode(),
            )
