"""Records as an agent writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from farcell.remote_runtime.journal import Kind, Record
from farcell.remote_runtime.journal.left_out import LeftOut, left_out
from farcell.remote_runtime.wire import messages
from farcell.remote_runtime.wire.messages import KernelMessage

Body = tuple[Kind, bytes]


def header(msg_id: str, msg_type: str) -> dict[str, Any]:
    return {
        "msg_id": msg_id,
        "msg_type": msg_type,
        "session": "a session",
        "username": "a user",
        "date": "2025-06-07T08:09:10.111213Z",
        "version": "5.4",
    }


def message(
    msg_type: str,
    cell: str,
    content: dict[str, Any],
    channel: str = "iopub",
    request: str = "execute_request",
) -> Body:
    made = messages.encode(
        channel, header(f"{msg_type} of {cell}", msg_type), header(cell, request), {}, content
    )
    return Kind.MESSAGE, messages.pack(made)


def stream(cell: str, text: str, name: str = "stdout") -> Body:
    return message("stream", cell, {"name": name, "text": text})


def display(cell: str, data: str) -> Body:
    return message("display_data", cell, {"data": {"text/plain": data}, "metadata": {}, "transient": {}})


def update(cell: str, data: str, display_id: str) -> Body:
    content = {"data": {"text/plain": data}, "metadata": {}, "transient": {"display_id": display_id}}
    return message("update_display_data", cell, content)


def widget_state(cell: str, comm_id: str, **state: Any) -> Body:
    return message("comm_msg", cell, {"comm_id": comm_id, "data": {"method": "update", "state": state}})


def status(cell: str, state: str, request: str = "execute_request") -> Body:
    return message("status", cell, {"execution_state": state}, request=request)


def error(cell: str) -> Body:
    return message("error", cell, {"ename": "E", "evalue": "no", "traceback": []})


def question(cell: str) -> Body:
    return message("input_request", cell, {"prompt": "?", "password": False}, "stdin")


def reply(cell: str) -> Body:
    return message("execute_reply", cell, {"status": "ok", "execution_count": 1}, "shell")


def accepted(cell: str) -> Body:
    return Kind.ACCEPTED, cell.encode()


def numbered(bodies: Iterable[Body], first: int = 1, client: int = 0) -> list[Record]:
    return [
        Record(position, kind, body, client)
        for position, (kind, body) in zip(count(first), bodies, strict=False)
    ]


def notes(records: Iterable[Record]) -> list[LeftOut]:
    return [left_out(record.body) for record in records if record.kind is Kind.LEFT_OUT]


def kernel_messages(records: Iterable[Record]) -> Iterator[KernelMessage]:
    return (messages.unpack(record.body) for record in records if record.kind is Kind.MESSAGE)


def copied(records: Iterable[Record]) -> list[Record]:
    """Bodies as bytes, which can be compared and kept."""
    return [record._replace(body=bytes(record.body)) for record in records]
