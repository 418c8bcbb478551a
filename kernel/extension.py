"""``%load_ext farcell``."""

from __future__ import annotations

from dataclasses import dataclass

from IPython.core.interactiveshell import InteractiveShell

from .handlers import Handlers
from .magics import FarcellMagics


@dataclass(frozen=True, slots=True)
class _Loaded:
    magics: FarcellMagics
    handlers: Handlers


_loaded: dict[int, _Loaded] = {}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Registers the magics; starts nothing. Loading twice changes nothing."""
    magics_of(shell)


def magics_of(shell: InteractiveShell) -> FarcellMagics:
    """The shell's magics, registered if they were not."""
    if id(shell) not in _loaded:
        magics = FarcellMagics(shell)
        shell.register_magics(magics)
        handlers = Handlers(magics.sessions)
        handlers.install()
        _loaded[id(shell)] = _Loaded(magics, handlers)
    return _loaded[id(shell)].magics


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Lets go of the gateway; sessions run on, except those that belong to this kernel alone."""
    loaded = _loaded.pop(id(shell), None)
    if loaded is not None:
        loaded.handlers.remove()
        loaded.magics.close()
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("gpu", None)
