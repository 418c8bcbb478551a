"""Finding and starting this user's embedded gateway."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

from .. import config
from ..embedded_facts import EmbeddedFacts
from ..errors import Conflict, FarcellError, GatewayNotRunning, GatewayUnreachable
from .gateway_client import Address

START_S = 60.0
END_S = 20.0


def running() -> Address | None:
    """Where the embedded gateway says it listens; it may have been killed since.

    Raises `Conflict` when it runs with other simulated devices than this process's environment asks for.
    """
    facts = EmbeddedFacts.read(config.data_dir())
    wanted = config.simulate()
    if facts is not None and wanted and wanted != facts.simulate:
        now = f"simulates {facts.simulate}" if facts.simulate else "simulates no devices"
        raise Conflict(
            f"FARCELL_SIMULATE asks for {wanted}, but your gateway {now}: end it with 'farcell down', then try again"
        )
    return address()


def address() -> Address | None:
    """As `running`, whatever it simulates."""
    facts = EmbeddedFacts.read(config.data_dir())
    return None if facts is None else Address(facts.url, facts.token, trusted=True, local=True)


def left_containers() -> bool:
    """Whether some were started that no gateway has stopped yet."""
    return any((config.data_dir() / "containers").glob("farcell.*"))


def not_running() -> FarcellError:
    return GatewayNotRunning(
        "no gateway is running: it starts with the first %%gpu cell, or log in to one with 'farcell login URL'"
    )


def start() -> Address:
    """Starts the daemon and returns when it serves; blocks. Raises `GatewayUnreachable` with the log's last lines."""
    if sys.platform != "linux":
        raise GatewayNotRunning(
            "an embedded gateway needs Linux: log in to a gateway with 'farcell login URL'",
            platform=sys.platform,
        )
    folder = config.data_dir()
    config.make_private(folder)
    deadline = time.monotonic() + START_S
    if not is_there():
        EmbeddedFacts.remove(folder)  # a killed gateway's
    _launch(folder, deadline)
    while time.monotonic() < deadline:
        if found := running():
            return found  # ours, or that of another process which was faster
        if not is_there():
            break
        time.sleep(0.01)
    raise GatewayUnreachable(
        f"the embedded gateway did not start; the end of {folder / 'gateway.log'}:\n{_log_tail(folder)}"
    )


def _launch(folder: Path, deadline: float) -> None:
    """One daemon; returns when it serves, or has ended."""
    ready, ready_for_child = os.pipe()
    try:
        with (folder / "gateway.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "farcell.remote_runtime.gateway",
                    "--ready-fd",
                    str(ready_for_child),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                pass_fds=[ready_for_child],
                start_new_session=True,
            )
        os.close(ready_for_child)
        select.select([ready], [], [], max(0.0, deadline - time.monotonic()))
        process.wait()
    finally:
        os.close(ready)


def wait_until_gone() -> None:
    """After it was told to end; blocks. Raises `GatewayUnreachable` when it goes on."""
    deadline = time.monotonic() + END_S
    while is_there():
        if time.monotonic() > deadline:
            raise GatewayUnreachable(f"the gateway still runs, {END_S:.0f} s after it was told to end")
        time.sleep(0.01)


def is_there() -> bool:
    """Whether a gateway process is there, serving or about to."""
    path = config.data_dir() / config.GATEWAY_LOCK
    if not path.exists():
        return False
    import fcntl

    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _log_tail(folder: Path) -> str:
    try:
        return (folder / "gateway.log").read_text("utf-8", "replace")[-2000:]
    except OSError:
        return ""
