"""What a front end does beside running cells: comms, subshells, completions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from notebook_driver import DEADLINE_S, Cell, Message, Notebook

CONTROL = {"target_name": "jupyter.widget.control", "data": {}}


class WidgetFrontEnd:
    """Beside the notebook's cells, over the same connection."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        self._session = notebook.client.session

    # --- messages ---

    def send(
        self,
        msg_type: str,
        content: Message,
        *,
        subshell: str | None = None,
        buffers: Iterable[bytes] = (),
        metadata: Message | None = None,
        control: bool = False,
    ) -> str:
        message = self._session.msg(msg_type, content, metadata=metadata)
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        client = self.notebook.client
        channel = client.control_channel if control else client.shell_channel
        assert channel.socket is not None
        self._session.send(channel.socket, message, buffers=list(buffers))
        return str(message["header"]["msg_id"])

    def ask(self, msg_type: str, content: Message, *, subshell: str | None = None) -> Message:
        """The content of the reply, on the shell channel."""
        return self._reply(self.send(msg_type, content, subshell=subshell), control=False)

    def control(self, msg_type: str, content: Message) -> Message:
        return self._reply(self.send(msg_type, content, control=True), control=True)

    def _reply(self, msg_id: str, *, control: bool) -> Message:
        client = self.notebook.client
        deadline = time.monotonic() + DEADLINE_S
        while True:
            get = client.get_control_msg if control else client.get_shell_msg
            reply: Message = get(timeout=max(0.0, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == msg_id:
                content: Message = reply["content"]
                return content

    def hear(self, seen: Callable[[Message], object]) -> Message:
        return self.notebook.hear_late(seen)

    # --- comms ---

    def open_comms(self, target: str | None = None) -> dict[str, Any]:
        content = {} if target is None else {"target_name": target}
        comms: dict[str, Any] = self.ask("comm_info_request", content)["comms"]
        return comms

    def say(
        self, comm_id: str, data: Message, *, buffers: Iterable[bytes] = (), subshell: str | None = None
    ) -> str:
        content = {"comm_id": comm_id, "data": data}
        return self.send("comm_msg", content, buffers=buffers, subshell=subshell)

    def set(self, comm_id: str, *, subshell: str | None = None, **state: Any) -> str:
        """As a widget does that was moved."""
        update = {"method": "update", "state": state, "buffer_paths": []}
        return self.say(comm_id, update, subshell=subshell)

    def hear_idle(self, msg_id: str) -> Message:
        return self.hear(
            lambda m: (
                below(m, msg_id) and m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
            )
        )

    # --- completions ---

    def complete(self, code: str, *, subshell: str | None = None) -> Message:
        """At the place of the ``|``."""
        return self.ask("complete_request", _question(code), subshell=subshell)

    def inspect(self, code: str) -> str:
        """The text about what stands at the ``|``."""
        reply = self.ask("inspect_request", _question(code) | {"detail_level": 0})
        return str(reply["data"].get("text/plain", ""))


def _question(code: str) -> Message:
    return {"code": code.replace("|", ""), "cursor_pos": code.index("|")}


def model(cell: Cell, name: str) -> str:
    """The comm id of the widget of that model that the cell has made."""
    (comm_id,) = [
        message["content"]["comm_id"]
        for message in of_type(cell.messages, "comm_open")
        if message["content"]["data"].get("state", {}).get("_model_name") == name
    ]
    return str(comm_id)


def of_type(messages: Iterable[Message], msg_type: str) -> list[Message]:
    return [message for message in messages if message["msg_type"] == msg_type]


def below(message: Message, msg_id: str) -> bool:
    return bool(message["parent_header"].get("msg_id") == msg_id)


def said_by(comm_id: str, msg_type: str = "comm_msg") -> Callable[[Message], bool]:
    return lambda m: m["msg_type"] == msg_type and m["content"]["comm_id"] == comm_id
