"""A Jupyter Server on loopback, and its kernels over the WebSocket subprotocol v1, with the peers' own code."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import websocket
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1

ANSWER_S = 60.0
QUIET_S = 10.0
SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"
_NO_PINGS = "--ServerApp.tornado_settings={'ws_ping_interval': 0}"
"""A driver answers none while others have their turn."""
_OPTIONS = (
    "--ServerApp.port_retries=0",
    "--ServerApp.ip=127.0.0.1",
    "--no-browser",
    "--allow-root",
    _NO_PINGS,
)


class Server:
    """A running server as its clients see it."""

    def __init__(self, *options: str) -> None:
        self._token = secrets.token_hex(16)
        self.headers = {"Authorization": f"token {self._token}"}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", f"--ServerApp.port={self.port}", *_OPTIONS, *options],
            env={**os.environ, "JUPYTER_TOKEN": self._token},
            stdin=subprocess.DEVNULL,
        )

    def wait_until_it_serves(self) -> None:
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.ask("GET", "/api/status")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("the Jupyter Server does not serve")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers=self.headers,
            method=method,
        )
        with urllib.request.urlopen(request, timeout=ANSWER_S) as response:
            text = response.read()
        return json.loads(text) if text else None

    def channels(self, kernel_id: str) -> websocket.WebSocket:
        """Without Nagle's delay on this side, as websocket-client always has it."""
        return websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/api/kernels/{kernel_id}/channels",
            header=self.headers,
            subprotocols=[SUBPROTOCOL],
            timeout=ANSWER_S,
        )


@contextmanager
def running_server(*options: str) -> Iterator[Server]:
    server = Server(*options)
    try:
        server.wait_until_it_serves()
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


class Channels:
    """One kernel's WebSocket. With `quickack` each segment is acknowledged at once, which Linux has to be told anew."""

    def __init__(self, connection: websocket.WebSocket, *, quickack: bool) -> None:
        self._connection = connection
        self._quickack = quickack
        self._session = Session(key=b"")

    def run(self, code: str) -> None:
        """Returns with the kernel's reply *and* its idle."""
        for _ in self.outputs(code):
            continue

    def outputs(self, code: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The types and contents of all that comes for a cell but its end, until reply *and* idle are there.

        A kernel's ZMQ may drop the idle with other messages: then it is over `QUIET_S` after the last that came.
        """
        msg_id = self._execute(code)
        left = {"idle", "execute_reply"}
        while left:
            self._connection.settimeout(QUIET_S if left == {"idle"} else ANSWER_S)
            try:
                msg_type, content = self._next(msg_id)
            except websocket.WebSocketTimeoutException:
                if left == {"idle"}:
                    return
                raise
            state = content.get("execution_state", "") if msg_type == "status" else msg_type
            if state not in left:
                yield msg_type, content
            left.discard(state)

    def wait_for_output(self, code: str) -> None:
        msg_id = self._execute(code)
        while self._next(msg_id)[0] != "stream":
            continue

    def _execute(self, code: str) -> str:
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "allow_stdin": False,
            "user_expressions": {},
        }
        message = self._session.msg("execute_request", content)
        self._connection.send_binary(serialize_msg_to_ws_v1(message, "shell", self._session.pack))
        return str(message["header"]["msg_id"])

    def _next(self, msg_id: str) -> tuple[str, dict[str, Any]]:
        """The next message's type and content; empty for those of other cells."""
        if self._quickack:
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        _, (header, parent, _, content, *_) = deserialize_msg_from_ws_v1(self._connection.recv())
        ours = json.loads(parent).get("msg_id") == msg_id
        return (json.loads(header)["msg_type"], json.loads(content)) if ours else ("", {})
