"""The front end's requests that a far kernel has: what it says about one, also late, is shown below that one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from farcell.remote_runtime.client.output import Output
from farcell.remote_runtime.wire.messages import KernelMessage, encode

from .front_end import Header

_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Relayed:
    """`header` is the front end's, which the far kernel knows as `far_id`. `is_cell`: else it is a comm's message."""

    far_id: str
    header: Header
    is_cell: bool
    handled: Future[None] = field(default_factory=Future)
    """Done when the far kernel is idle after it."""

    def here(self, output: Output) -> Output:
        """The output with the name that the request has here: an Output widget takes what comes below that."""
        data = output.content.get("data")
        if not isinstance(data, dict) or not isinstance(state := data.get("state"), dict):
            return output
        if state.get("msg_id") != self.far_id:
            return output
        renamed = {**state, "msg_id": self.header["msg_id"]}
        return replace(output, content={**output.content, "data": {**data, "state": renamed}})


class RelayedRequests:
    """The newest of them; to be used from any thread."""

    def __init__(self) -> None:
        self._requests: OrderedDict[str, Relayed] = OrderedDict()

    def remember(self, far_id: str, header: Header, *, is_cell: bool) -> Relayed:
        request = self._requests[far_id] = Relayed(far_id, header, is_cell)
        while len(self._requests) > _REMEMBERED:
            self._requests.popitem(last=False)
        return request

    def find(self, far_id: object) -> Relayed | None:
        return self._requests.get(str(far_id))


def as_it_came(message: Mapping[str, Any], content: Mapping[str, Any] | None = None) -> KernelMessage:
    """A request that the local kernel has decoded, on its way to a far one."""
    return encode(
        "shell",
        message["header"],
        message.get("parent_header"),
        message.get("metadata"),
        message["content"] if content is None else content,
        map(bytes, message.get("buffers") or ()),
    )
