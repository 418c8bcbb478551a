"""The ``farcell`` program as its users run it, and a gateway that it serves."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded_gateway import session_spec
from processes import DATA_DIR

from farcell.remote_runtime.client import GatewayClient

PROGRAM = Path(sys.executable).with_name("farcell")
WAIT_S = 60


@dataclass(frozen=True, slots=True)
class Answer:
    exit_code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What a command that failed told its user: one line, and no traceback."""
        assert self.exit_code in (1, 2), self
        (line,) = self.err.splitlines()
        return line.removeprefix("farcell: ")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a data folder of her own, and so with a login of her own."""

    folder: Path

    def farcell(self, *words: str, stdin: str = "", **environment: str) -> Answer:
        found = subprocess.run(
            [PROGRAM, *words],
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            env=self.environment(**environment),
        )
        return Answer(found.returncode, found.stdout, found.stderr)

    @contextmanager
    def begin(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on; what it prints is in its pipe. It is killed in the end, if it has not ended."""
        with subprocess.Popen(
            [PROGRAM, *words], stdout=subprocess.PIPE, text=True, env=self.environment(PYTHONUNBUFFERED="1")
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def told(self, *words: str, stdin: str = "", **environment: str) -> str:
        """What a command that works prints."""
        answer = self.farcell(*words, stdin=stdin, **environment)
        assert answer.exit_code == 0, answer
        return answer.out

    def environment(self, **environment: str) -> dict[str, str]:
        """Without the machine's own configuration of Jupyter, its container engine, and what its user has simulated."""
        own = {DATA_DIR: str(self.folder), "JUPYTER_CONFIG_DIR": str(self.folder / "jupyter")}
        own["DOCKER_HOST"] = f"unix://{self.folder}/no-engine.sock"
        return {**os.environ, "FARCELL_SIMULATE": "", **own, **environment}


@dataclass(frozen=True, slots=True)
class Served:
    url: str
    announced: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextmanager
def serve(operator: Person, *options: str) -> Iterator[Served]:
    """``farcell serve`` until the block ends, and then its SIGTERM, which it must take well."""
    log = operator.folder / "serve.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=operator.environment(),
        ) as process,
    ):
        try:
            yield _wait_until_announced(process, log)
        finally:
            process.terminate()
        assert process.wait(WAIT_S) == 0


async def start_session(gateway: GatewayClient, request: str) -> str:
    """Its id, once its kernel answers."""
    session = await gateway.post_json("/farcell/v1/sessions", session_spec(request))
    while session["state"] != "idle":
        assert session["state"] in ("queued", "starting"), session
        await asyncio.sleep(0.05)
        session = await gateway.get_json(f"/farcell/v1/sessions/{session['id']}")
    return str(session["id"])


def _wait_until_announced(process: subprocess.Popen[str], log: Path) -> Served:
    """It prints its offers last of all, or how to make its first user."""
    assert process.stdout is not None
    stuck = threading.Timer(WAIT_S, process.kill)
    stuck.start()
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("cpu "):
            break
    stuck.cancel()
    announced = "".join(lines)
    found = re.search(r"https?://\S+", announced)
    assert found, log.read_text()
    return Served(found[0], announced, process)
