"""``farcell lab``: JupyterLab with the sidebar."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import BadRequest
from .command import Command


class OpenLab(Command):
    name = "farcell lab"
    description = (
        "Opens JupyterLab with Farcell's sidebar. All that follows goes to it: see 'jupyter lab --help'."
    )
    arguments = "[ARGUMENTS]"

    def initialize(self, argv: list[str] | None = None) -> None:
        """Its words are JupyterLab's, apart from a lone ``--help``."""
        if argv == ["--help"]:
            self.parse_command_line(argv)
        self.extra_args = argv or []

    def run(self) -> None:
        if find_spec("jupyterlab") is None:
            raise BadRequest("JupyterLab is not installed here: pip install jupyterlab")
        from jupyterlab.labapp import LabApp

        LabApp.launch_instance(["--ServerApp.jpserver_extensions=farcell=True", *self.extra_args])
