"""``%load_ext farcell``."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from .magics import FarcellMagics

_loaded: dict[int, FarcellMagics] = {}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Registers the magics; starts nothing. Loading twice changes nothing."""
    magics_of(shell)


def magics_of(shell: InteractiveShell) -> FarcellMagics:
    """The shell's magics, registered if they were not."""
    if id(shell) not in _loaded:
        magics = _loaded[id(shell)] = FarcellMagics(shell)
        shell.register_magics(magics)
    return _loaded[id(shell)]


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Lets go of the gateway; sessions run on, except those that belong to this kernel alone."""
    magics = _loaded.pop(id(shell), None)
    if magics is not None:
        magics.close()
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("gpu", None)
