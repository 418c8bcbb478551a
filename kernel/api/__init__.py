"""Farcell ships notebook cells to far GPUs.

This is the package `farcell`. It imports nothing until a name is asked for (PEP 562), so that a kernel's start, a
command's help and a container's agent don't pay for what they don't use.
"""

from importlib import import_module
from typing import Any

# name → the module that has it
_HOMES = {
    "Image": "farcell.remote_runtime.api.image",
    "load_ipython_extension": "farcell.kernel.extension",
    "unload_ipython_extension": "farcell.kernel.extension",
    "_jupyter_labextension_paths": "farcell.labextension",
    "_jupyter_server_extension_points": "farcell.labextension",
}

__all__ = ["Image", "__version__", "load_ipython_extension", "unload_ipython_extension"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("farcell")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
