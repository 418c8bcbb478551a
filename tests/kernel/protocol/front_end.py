"""A front end down to the single message: requests with any content, and all that comes back, in its order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import zmq
from far_machine import FarMachine
from jupyter_client import BlockingKernelClient, KernelManager

DEADLINE_S = 60.0
Message = dict[str, Any]


@dataclass(slots=True)
class Exchange:
    """A request and what came with it as parent: replies and questions apart from what all front ends hear."""

    request: Message
    reply: Message | None = None
    questions: list[Message] = field(default_factory=list)
    heard: list[Message] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return self.reply is not None and "idle" in self.states

    @property
    def states(self) -> list[str]:
        return [one["execution_state"] for one in self.contents("status")]

    @property
    def kinds(self) -> list[str]:
        """Of all that was heard; a status is named by what it says."""
        return [one["content"].get("execution_state", one["msg_type"]) for one in self.heard]

    @property
    def answer(self) -> Message:
        assert self.reply is not None
        content: Message = self.reply["content"]
        return content

    @property
    def stdout(self) -> str:
        return "".join(one["text"] for one in self.contents("stream") if one["name"] == "stdout")

    @property
    def result(self) -> str:
        (content,) = self.contents("execute_result")
        return str(content["data"]["text/plain"])

    def contents(self, msg_type: str) -> list[Message]:
        return [one["content"] for one in self.heard if one["msg_type"] == msg_type]


class FrontEnd:
    """On one thread: messages are read while somebody waits for one."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.others: list[Message] = []
        """What belongs to no request of this front end's."""
        self._exchanges: dict[str, Exchange] = {}
        self._channels = {
            channel.socket: name
            for name in ("shell", "control", "stdin", "iopub")
            if (channel := getattr(client, f"{name}_channel"))
        }
        self._poller = zmq.Poller()
        for socket in self._channels:
            self._poller.register(socket, zmq.POLLIN)

    # --- asking ---

    def send(
        self,
        msg_type: str,
        content: Message | None = None,
        channel: str = "shell",
        subshell: str | None = None,
        buffers: list[bytes] | None = None,
    ) -> Exchange:
        session = self.client.session
        header = session.msg_header(msg_type)
        if subshell is not None:
            header["subshell_id"] = subshell
        socket = getattr(self.client, f"{channel}_channel").socket
        sent = session.send(socket, msg_type, content or {}, header=header, buffers=buffers)
        exchange = Exchange(sent)
        self._exchanges[sent["header"]["msg_id"]] = exchange
        return exchange

    def ask(self, msg_type: str, content: Message | None = None, channel: str = "shell") -> Exchange:
        return self.done(self.send(msg_type, content, channel))

    def start(self, code: str, subshell: str | None = None, **changes: Any) -> Exchange:
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": True, **changes}
        return self.send("execute_request", content, subshell=subshell)

    def run(self, code: str, **changes: Any) -> Exchange:
        return self.done(self.start(code, **changes))

    def control(self, msg_type: str, content: Message | None = None) -> Exchange:
        return self.ask(msg_type, content, "control")

    def interrupt(self) -> Exchange:
        return self.control("interrupt_request")

    def debug(self, command: str, number: int, **arguments: Any) -> Message:
        """The answer's body."""
        content = {"type": "request", "command": command, "seq": number, "arguments": arguments}
        answer = self.control("debug_request", content).answer
        assert answer["success"], answer
        body: Message = answer.get("body") or {}
        return body

    def answer(self, exchange: Exchange, value: str) -> None:
        """Answers a running cell's question, once it has been asked."""
        self.until(lambda: exchange.questions)
        socket = self.client.stdin_channel.socket
        self.client.session.send(socket, "input_reply", {"value": value, "status": "ok"})

    # --- hearing ---

    def done(self, exchange: Exchange) -> Exchange:
        return self.until(lambda: exchange.is_done) and exchange

    def until_prints(self, exchange: Exchange, text: str) -> None:
        self.until(lambda: text in exchange.stdout)

    def until(self, fact: Callable[[], object]) -> bool:
        deadline = time.monotonic() + DEADLINE_S
        while not fact():
            left = deadline - time.monotonic()
            assert left > 0, f"it did not come to pass; the last of what was asked: {self._last(3)}"
            for socket, _ in self._poller.poll(1000 * left):
                self._hear(socket)
        return True

    def all_contents(self, msg_type: str) -> list[Message]:
        """Whatever they belong to."""
        heard = [one for exchange in self._exchanges.values() for one in exchange.contents(msg_type)]
        return heard + [one["content"] for one in self.others if one["msg_type"] == msg_type]

    def _last(self, number: int) -> str:
        return "; ".join(
            f"{one.request['msg_type']} {one.request['content']}: {one.kinds}, {one.reply and one.answer}"
            for one in list(self._exchanges.values())[-number:]
        )

    def _hear(self, socket: Any) -> None:
        _, message = self.client.session.recv(socket)
        exchange = self._exchanges.get(message["parent_header"].get("msg_id"))
        if exchange is None:
            self.others.append(message)
            return
        match self._channels[socket]:
            case "iopub":
                exchange.heard.append(message)
            case "stdin":
                exchange.questions.append(message)
            case _:
                assert exchange.reply is None, "one request, two replies"
                exchange.reply = message


class KernelStart:
    """Starts kernels with a `FarMachine`'s environment."""

    def __init__(self, machine: FarMachine) -> None:
        self._machine = machine

    @contextmanager
    def manager(self, kernel_name: str) -> Iterator[KernelManager]:
        """With its kernel running, which is shut down at the end."""
        manager = KernelManager(kernel_name=kernel_name, transport="ipc")
        manager.connection_file = str(self._machine.home / f"kernel-{time.monotonic_ns()}.json")
        with (self._machine.home / f"{kernel_name}.log").open("ab") as log:
            home = str(self._machine.home)
            manager.start_kernel(env=self._machine.environment, cwd=home, stdout=log, stderr=log)
            try:
                yield manager
            finally:
                manager.shutdown_kernel()
                manager.cleanup_resources()
                manager.context.destroy(linger=0)

    @contextmanager
    def client(self, kernel_name: str) -> Iterator[BlockingKernelClient]:
        """Of a kernel that is ready and has run a cell, so that a far one is attached."""
        with self.manager(kernel_name) as manager:
            client = manager.client()
            client.start_channels()
            try:
                client.wait_for_ready(timeout=DEADLINE_S)
                # what completes with Jedi reads all of Python's own library first, for half a minute on a slow machine
                client.execute_interactive("%config IPCompleter.use_jedi = False", timeout=DEADLINE_S)
                yield client
            finally:
                client.stop_channels()

    @contextmanager
    def __call__(self, kernel_name: str) -> Iterator[FrontEnd]:
        with self.client(kernel_name) as client:
            yield FrontEnd(client)
