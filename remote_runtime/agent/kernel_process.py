"""The kernel's process: stock ipykernel on ZMQ ipc sockets. Standard library only: it starts before other imports."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import apt_get, kernel_launcher, way_out
from .lease_folder import LeaseFolder

EXTENSION = "farcell.remote_runtime.agent.kernel_extension"
FOR_THE_KERNEL = "FARCELL_IMAGE_"
"""How variables of an image begin that are the kernel's, and would have a say in the agent under their own names."""
_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a kernel listens and the key that signs its messages; each start has its own."""

    base: Path
    key: bytes

    def endpoint(self, channel: str) -> str:
        return f"ipc://{self.base}-{_CHANNELS.index(channel) + 1}"


class KernelProcess:
    """Starts, signals and ends the kernel; one process at a time, in a process group of its own.

    What it writes past its messages (native code, its own children) goes to the descriptor `output`; None is the
    agent's own.
    """

    def __init__(self, folder: LeaseFolder, output: int | None = None) -> None:
        self._folder = folder
        self._output = output
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self.connection = Connection(Path(), b"")

    def start(self) -> None:
        """A new process on new sockets, so that nothing of an earlier one is mistaken for it."""
        self._starts += 1
        self._killed = False
        self.connection = Connection(self._folder.run / f"k{self._starts}", secrets.token_hex(32).encode())
        connection_file = self._folder.run / f"kernel-{self._starts}.json"
        self._write(connection_file)
        uid = self._folder.kernel_uid
        self._process = subprocess.Popen(
            [
                self._folder.python,
                *self._launch(),
                f"--IPKernelApp.connection_file={connection_file}",
                # what front ends ask of a kernel's history is answered; nothing of it is left in the container
                "--HistoryManager.hist_file=:memory:",
            ],
            cwd=self._folder.work if self._folder.launcher is None else "/",
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env={**os.environ, **self._own_variables()},
            start_new_session=True,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )

    def _own_variables(self) -> dict[str, str]:
        found = {} if self._folder.egress is None else dict(way_out.VARIABLES)
        if self._folder.launcher is not None:
            programs = self._folder.launcher.parent / apt_get.PROGRAMS
            found["PATH"] = f"{programs}:{os.environ.get('PATH', os.defpath)}"
            found[apt_get.FOLDER] = str(self._folder.run)
            found |= {
                name.removeprefix(FOR_THE_KERNEL): value
                for name, value in os.environ.items()
                if name.startswith(FOR_THE_KERNEL)
            }
        return found

    def _launch(self) -> list[str]:
        launcher = self._folder.launcher
        if launcher is None:
            return ["-m", "ipykernel_launcher", f"--IPKernelApp.extra_extensions={EXTENSION}"]
        extension = f"--IPKernelApp.extra_extensions={kernel_launcher.EXTENSION}"
        return [str(launcher), str(self._folder.work), extension]

    def _write(self, connection_file: Path) -> None:
        """For the agent and the kernel alone. What a kernel before this may have put in its place is not written to."""
        connection_file.unlink(missing_ok=True)
        descriptor = os.open(connection_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if self._folder.kernel_uid is not None:
                os.fchown(descriptor, -1, self._folder.kernel_uid)
                os.fchmod(descriptor, 0o640)
            json.dump(self._connection_facts(), file)

    def _connection_facts(self) -> dict[str, object]:
        ports = {f"{channel}_port": number for number, channel in enumerate(_CHANNELS, start=1)}
        return {
            **ports,
            "transport": "ipc",
            "ip": str(self.connection.base),
            "key": self.connection.key.decode(),
            "signature_scheme": "hmac-sha256",
            "kernel_name": "python3",
        }

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), None while it runs."""
        return None if self._process is None else self._process.poll()

    def interrupt(self) -> None:
        """SIGINT to the kernel's process group, as Jupyter does; silent when it is gone."""
        self._signal(signal.SIGINT)

    def kill(self, grace_s: float = 2.0) -> None:
        """SIGTERM, then SIGKILL after `grace_s`; blocks until the process is reaped. May be called twice.

        Also ends what a kernel that died by itself has left in its process group.
        """
        if self._process is None or self._killed:
            return
        self._killed = True
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        self._signal_group(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._signal_group(number)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def describe_exit(code: int) -> str:
    """How a process ended, in words: ``exit code 3``, ``SIGKILL (out of memory?)``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name} (out of memory?)" if -code == signal.SIGKILL else name
