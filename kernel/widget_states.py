"""The states of all widgets, which a front end asks for after a reload, where they live in more than one kernel.

ipywidgets answers ``request_states`` on a comm for the target ``jupyter.widget.control``; the front end takes the first
answer for the whole. Where one does not come, it asks each widget by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from comm.base_comm import BaseComm

from farcell.remote_runtime.api import SessionKey
from farcell.remote_runtime.client.output import Output

from .far_comms import FarComms, Message

CONTROL_TARGET, WIDGET_TARGET = "jupyter.widget.control", "jupyter.widget"

_log = logging.getLogger(__name__)


def merged(answers: Iterable[Output]) -> Output:
    """One ``update_states`` of several: a widget's id is in one of them only."""
    states, paths, buffers = dict[str, Any](), list[Any](), list[bytes]()
    for answer in answers:
        data = answer.content.get("data") or {}
        states.update(data.get("states") or {})
        paths += data.get("buffer_paths") or []
        buffers += answer.buffers
    data = {"method": "update_states", "states": states, "buffer_paths": paths}
    return Output("comm_msg", {"data": data}, {}, tuple(buffers))


class LocalWidgets(BaseComm):
    """The local kernel's side of the comm: what it says is kept."""

    def __init__(self, comm_id: str) -> None:
        self.said: list[Output] = []
        super().__init__(CONTROL_TARGET, comm_id=comm_id, primary=False)

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any
    ) -> None:
        said = Output(msg_type, {"data": data or {}}, metadata or {}, tuple(map(bytes, buffers or ())))
        self.said.append(said)

    def ask(self, msg: Message) -> list[Output]:
        self.handle_msg(msg)
        said, self.said = self.said, []
        return said


class WidgetStates(BaseComm):
    """The front end's comm for its question: asks all sessions that have widgets, and answers when all have answered.

    `local` is the local kernel's handler of the target, if it has one.
    """

    def __init__(
        self, comms: FarComms, opened: Message, local: Callable[[BaseComm, Message], object] | None
    ) -> None:
        self._comms = comms
        self._lock = Lock()
        self._asked: Message | None = None
        self._answers: dict[SessionKey, Output | None] = {}
        self._local: LocalWidgets | None = None
        super().__init__(CONTROL_TARGET, comm_id=opened["content"]["comm_id"], primary=False)
        comms.manager.register_comm(self)
        comms.overhear(self.comm_id, self._heard)
        self._keys = list(dict.fromkeys(comm.key for comm in comms.of(target=WIDGET_TARGET)))
        for key in self._keys:
            comms.send_on(key, opened)
        if local is not None:
            self._local = LocalWidgets(self.comm_id)
            local(self._local, opened)

    def handle_msg(self, msg: Message) -> None:
        with self._lock:
            self._asked = msg
            self._answers = dict.fromkeys(self._keys)
        for key in self._keys:
            self._comms.send_on(key, msg)
        self._answer_if_complete()

    def handle_close(self, msg: Message) -> None:
        self._comms.forget(self.comm_id)
        for key in self._keys:
            self._comms.send_on(key, msg)

    def publish_msg(self, msg_type: str, *_: Any, **__: Any) -> None:
        """Its end: the front end then asks each widget."""
        self._comms.front_end.publish(Output(msg_type, {"comm_id": self.comm_id, "data": {}}), None)

    def _heard(self, key: SessionKey, output: Output) -> None:
        """A session without such a comm closes it."""
        if output.msg_type == "comm_close":
            self._comms.forget(self.comm_id)
            self.close()
        else:
            with self._lock:
                self._answers[key] = output
            self._answer_if_complete()

    def _answer_if_complete(self) -> None:
        with self._lock:
            answers = [answer for answer in self._answers.values() if answer is not None]
            asked = self._asked
            if asked is None or len(answers) < len(self._answers):
                return
            self._asked = None
        if self._local is not None:
            answers += self._local.ask(asked)
        whole = merged(answers)
        content = {"comm_id": self.comm_id, **whole.content}
        self._comms.front_end.publish(
            Output("comm_msg", content, whole.metadata, whole.buffers), asked["header"]
        )


def opens(comms: FarComms, msg: Message) -> bool:
    """Takes the front end's question where far kernels have widgets; else it is the local kernel's alone."""
    if msg["content"].get("target_name") != CONTROL_TARGET or not comms.of(target=WIDGET_TARGET):
        return False
    try:
        WidgetStates(comms, msg, comms.manager.targets.get(CONTROL_TARGET))
    except Exception:  # noqa: BLE001 (the target's handler is ipywidgets')
        _log.exception("the local widgets could not be asked for their states")
        return False
    return True
