"""Where programs in a container find the way out, if there is one. Standard library only: the kernel waits for it."""

from __future__ import annotations

HOST = "127.0.0.1"
PORT = 3128
URL = f"http://{HOST}:{PORT}"
_DIRECT = "localhost,127.0.0.1,::1"
"""What is in the container itself."""


_LOWER = {"http_proxy": URL, "https_proxy": URL, "all_proxy": URL, "no_proxy": _DIRECT}
VARIABLES = _LOWER | {name.upper(): value for name, value in _LOWER.items()}
"""In both spellings, since programs know either; `ALL_PROXY` is for those that ask for no scheme's own."""
