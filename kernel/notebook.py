"""What the local kernel knows of its notebook: which one it is, and the front end's request that runs now."""

from __future__ import annotations

import hashlib
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from farcell.remote_runtime import config
from farcell.remote_runtime.api import SessionKey
from farcell.remote_runtime.client.cell import new_header


class Notebook:
    """One shell's view. In a plain IPython terminal there is no kernel, and headers are made here."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._used: str | None = None

    @property
    def kernel(self) -> Any:
        return getattr(self._shell, "kernel", None)

    def session_key(self, name: str) -> SessionKey:
        """Found again by the notebook's path; without one, the session is this kernel process's own."""
        path = self.path()
        return SessionKey(config.machine_id(), path or self._kernel_name(), name, ephemeral=path is None)

    def has(self, key: SessionKey) -> bool:
        """Whether that session is this notebook's."""
        return key == self.session_key(key.name)

    def path(self) -> str | None:
        """As Jupyter Server tells it, or VS Code; a run without a front end has none."""
        if config.run_name():
            return None
        return config.notebook_path() or self._shell.user_ns.get("__vsc_ipynb_file__")

    def _kernel_name(self) -> str:
        """The run's, else from the connection file, which is new for each kernel that has no notebook path."""
        if run := config.run_name():
            return run
        connection_file = getattr(getattr(self.kernel, "parent", None), "connection_file", None)
        identity = f"{connection_file}:{id(self._shell) if connection_file is None else ''}"
        return f"kernel-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    def _request(self) -> dict[str, Any]:
        return (self.kernel.get_parent("shell") or {}) if self.kernel else {}

    def request_header(self) -> dict[str, Any]:
        """Of the front end's request that runs now; empty where there is none."""
        return dict(self._request().get("header") or {})

    def header(self) -> tuple[dict[str, Any], bool]:
        """The header for a far cell, and whether the far cell is all that runs under the front end's request.

        A second far cell under one request (a loop around ``run_cell_magic``) gets a header of its own: the
        ``msg_id`` is the execute id.
        """
        header = self.request_header()
        if not header or header["msg_id"] == self._used:
            return new_header(header.get("session")), False
        self._used = header["msg_id"]
        return header, str(self._request().get("content", {}).get("code", "")).lstrip().startswith("%%gpu")

    @property
    def number(self) -> int:
        """The ``In [n]`` of the cell that runs; the shell's own counter is one ahead of it from IPython 9 on."""
        return int(self._shell.displayhook.prompt_count)

    @property
    def allows_input(self) -> bool:
        return bool(getattr(self.kernel, "_allow_stdin", True))

    @property
    def is_watched(self) -> bool:
        """Whether what comes below a cell after its end is still shown there.

        What runs notebooks without a person (nbclient, papermill) takes no questions, and drops what comes late; a
        plain terminal has no cells.
        """
        return self.kernel is not None and self.allows_input
