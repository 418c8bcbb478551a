"""The ``farcell`` program: its commands by name, and what its user is told when one fails."""

from __future__ import annotations

import difflib
import sys
import traceback
from importlib.metadata import version
from typing import Any

from traitlets import TraitError

from ..errors import BadRequest, FarcellError
from .command import Command

_COMMANDS = {
    "lab": ("lab.OpenLab", "open JupyterLab with Farcell's sidebar"),
    "run": ("run.RunNotebook", "run a notebook on a GPU without a front end"),
    "kernel": ("kernel.Kernels", "put Farcell into Jupyter's kernel menus"),
    "offers": ("offers.ListOffers", "list the GPUs that can be had now, with their prices"),
    "sessions": ("sessions.ListSessions", "list your sessions"),
    "stop": ("sessions.StopSessions", "end a session's container"),
    "logs": ("logs.ShowLog", "show what a session's build, container, agent and kernel wrote"),
    "bill": ("bill.ShowBill", "show what was charged, by cell and idle time"),
    "down": ("down.Down", "end everything that runs for you on this machine"),
    "login": ("login.Login", "use a gateway that somebody serves"),
    "logout": ("login.Logout", "forget that gateway, and use your own again"),
    "serve": ("serve.Serve", "serve a gateway for several users"),
    "doctor": ("doctor.Doctor", "say what this machine can do for a gateway, and what it lacks"),
    "backup": ("backup.MakeBackup", "copy a gateway's database and journals into a file, and back"),
    "user": ("user.Users", "add, list and remove the users of a served gateway"),
}


class Farcell(Command):
    name = "farcell"
    description = "Ships notebook cells to far GPUs."
    arguments = "COMMAND"
    version = version("farcell")
    subcommands: dict[str, Any] = {
        name: (f"{__package__}.{place}", told) for name, (place, told) in _COMMANDS.items()
    }

    def initialize(self, argv: list[str] | None = None) -> None:
        """Without a command it shows its help."""
        super().initialize(argv or ["--help"])

    def run(self) -> None:
        asked = self.extra_args[0]
        near = difflib.get_close_matches(asked, _COMMANDS, n=1)
        raise BadRequest(
            f"there is no command {asked!r}"
            + (f"; did you mean {near[0]!r}?" if near else ": farcell --help")
        )


def main() -> int:
    """Returns the exit code: 0; 2 for what was typed wrongly; 1 for everything else that fails."""
    app = Farcell()
    try:
        app.initialize(sys.argv[1:])
        app.start()
    except (BadRequest, TraitError) as error:
        return _tell(error, 2)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the program's outermost level
        return _tell(error, 1)
    return 0


def _tell(error: Exception, exit_code: int) -> int:
    """One sentence; the traceback only for those who ask."""
    known = isinstance(error, FarcellError | TraitError)
    sentence = str(error) if known else f"{type(error).__name__}: {error} (--debug shows where)"
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    sys.stderr.write(f"farcell: {sentence}\n")
    return exit_code
