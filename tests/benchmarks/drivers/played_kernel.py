"""A kernel at the wire level, for servers that start one: answers `kernel_info`, and a cell with lines of output.

``played_kernel.py CONNECTION_FILE``: a cell's code is the number of lines.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.session import Session
from load import leave_server_core, line

INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "played",
    "implementation_version": "1",
    "language_info": {"name": "python", "version": "3", "mimetype": "text/x-python", "file_extension": ".py"},
    "banner": "",
    "help_links": [],
}


class PlayedKernel:
    """Nothing that it sends is dropped for want of room."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._session = Session(key=facts["key"].encode(), signature_scheme=facts["signature_scheme"])
        self._poller = zmq.Poller()
        self._iopub = self._bind(zmq.PUB, facts, "iopub_port")
        self._heartbeat = self._bind(zmq.REP, facts, "hb_port")
        self._asked = [
            self._bind(zmq.ROUTER, facts, f"{channel}_port") for channel in ("shell", "control", "stdin")
        ]
        for socket in (*self._asked, self._heartbeat):
            self._poller.register(socket, zmq.POLLIN)

    def _bind(self, kind: int, facts: dict[str, Any], port: str) -> zmq.Socket[bytes]:
        socket = zmq.Context.instance().socket(kind)
        socket.sndhwm = socket.rcvhwm = 0
        socket.bind(f"tcp://{facts['ip']}:{facts[port]}")
        return socket

    def run(self) -> None:
        """Until it is told to shut down."""
        alive = True
        while alive:
            for socket, _ in self._poller.poll():
                if socket is self._heartbeat:
                    socket.send(socket.recv())
                else:
                    alive = self._answer(socket)

    def _answer(self, socket: zmq.Socket[bytes]) -> bool:
        who, request = self._session.recv(socket, mode=0)
        assert request is not None
        asked = request["msg_type"].removesuffix("_request")
        self._state("busy", request)
        if asked == "execute":
            for message in list(self._lines(int(request["content"]["code"]), request)):
                self._iopub.send_multipart(message)
        content = INFO if asked == "kernel_info" else {"status": "ok", "restart": False, "execution_count": 1}
        self._session.send(socket, f"{asked}_reply", content, request, who)
        self._state("idle", request)
        return asked != "shutdown"

    def _state(self, state: str, request: dict[str, Any]) -> None:
        self._session.send(self._iopub, "status", {"execution_state": state}, request, ident=b"status")

    def _lines(self, count: int, request: dict[str, Any]) -> Iterator[list[bytes]]:
        """Ready to be sent: what a kernel does for its messages is not what is measured."""
        for number in range(count):
            message = self._session.msg("stream", line(number), request)
            yield [b"stream", *self._session.serialize(message)]


if __name__ == "__main__":
    leave_server_core()
    PlayedKernel(json.loads(Path(sys.argv[1]).read_text("utf-8"))).run()
