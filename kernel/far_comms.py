"""The comms of far kernels, as the local kernel's front end sees them: widgets that live in a session."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from comm.base_comm import BaseComm

from farcell.remote_runtime.api import SessionKey
from farcell.remote_runtime.client.blocking import Face
from farcell.remote_runtime.client.cell import new_header
from farcell.remote_runtime.client.output import Output
from farcell.remote_runtime.errors import FarcellError
from farcell.remote_runtime.wire.messages import KernelMessage, decode, encode

from .front_end import FrontEnd, Header
from .requests import Relayed, RelayedRequests, as_it_came

COMM_TYPES = frozenset({"comm_open", "comm_msg", "comm_close"})

Message = dict[str, Any]


class FarComm(BaseComm):
    """Stands in the local kernel for a comm of a session's: what the front end says to it goes on there."""

    def __init__(self, comms: FarComms, key: SessionKey, comm_id: str, target_name: str) -> None:
        self.key = key
        self._comms = comms
        super().__init__(target_name, comm_id=comm_id, primary=False)

    def handle_msg(self, msg: Message) -> None:
        self._comms.send_on(self.key, msg)

    def handle_close(self, msg: Message) -> None:
        self._comms.send_on(self.key, msg)

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, *_: Any, **__: Any) -> None:
        """Its end, where the session is over."""
        content = {"comm_id": self.comm_id, "data": data or {}}
        self._comms.front_end.publish(Output(msg_type, content, metadata or {}), None)

    def vanish(self) -> None:
        """Without a word: the other side has said it."""
        self._closed = True
        self._comms.manager.comms.pop(self.comm_id, None)


class FarComms:
    """Each far comm has a stand-in with the local comm manager; `client` is there once a cell has run."""

    def __init__(
        self, front_end: FrontEnd, requests: RelayedRequests, client: Callable[[], Face | None]
    ) -> None:
        self.front_end = front_end
        self._requests = requests
        self._client = client
        self._overheard: dict[str, Callable[[SessionKey, Output], None]] = {}

    @property
    def manager(self) -> Any:
        return self.front_end.kernel.comm_manager

    def of(self, key: SessionKey | None = None, target: str | None = None) -> list[FarComm]:
        """Of that session, or of all; for that target, or for all."""
        comms = self.manager.comms.copy() if hasattr(self.front_end.kernel, "comm_manager") else {}
        return [
            comm
            for comm in comms.values()
            if isinstance(comm, FarComm) and key in (None, comm.key) and target in (None, comm.target_name)
        ]

    # --- from far ---

    def heard(self, key: SessionKey, output: Output, request: Header | None) -> None:
        """A far comm's message, in its place among the other messages of that request."""
        comm_id = str(output.content.get("comm_id"))
        if (hear := self._overheard.get(comm_id)) is not None:
            hear(key, output)
            return
        if output.msg_type == "comm_open":
            self.stand_in(key, comm_id, str(output.content.get("target_name")))
        self.front_end.publish(output, request)
        if output.msg_type == "comm_close":
            for comm in self.of(key):
                if comm.comm_id == comm_id:
                    comm.vanish()

    def stand_in(self, key: SessionKey, comm_id: str, target_name: str) -> None:
        client = self._client()
        if client is None or not hasattr(self.front_end.kernel, "comm_manager"):
            return
        self.manager.register_comm(FarComm(self, key, comm_id, target_name))
        client.keep_open(key)

    def learn(self, key: SessionKey) -> None:
        """Stands in for the comms that the session had before this kernel was there."""

        def learned(reply: Future[KernelMessage]) -> None:
            with suppress(FarcellError):
                self._stand_in_for_all(key, decode(reply.result().content))

        client = self._client()
        if client is not None:
            question = encode("shell", new_header(msg_type="comm_info_request"))
            client.request(key, question).add_done_callback(learned)

    def _stand_in_for_all(self, key: SessionKey, content: dict[str, Any]) -> None:
        known = {comm.comm_id for comm in self.of(key)}
        for comm_id, facts in (content.get("comms") or {}).items():
            if comm_id not in known:
                self.stand_in(key, comm_id, str(facts.get("target_name")))

    # --- from the front end ---

    def send_on(self, key: SessionKey, msg: Message) -> None:
        """As it came, on the shell there that is the one here."""
        client = self._client()
        if client is None or client.attached(key) is None:
            return
        header = msg["header"]
        self._requests.remember(header["msg_id"], header, is_cell=False)
        client.send(key, as_it_came(msg), header.get("subshell_id"))

    def sent_on(self, msg: Message) -> Relayed | None:
        """Whether and how a message was sent on."""
        return self._requests.find(msg["header"]["msg_id"])

    # --- ends ---

    def end(self, comms: Iterable[FarComm]) -> None:
        """Tells the front end that they are gone."""
        for comm in comms:
            with suppress(KeyError):  # the front end was faster
                comm.close()

    # --- what one asks all sessions ---

    def overhear(self, comm_id: str, hear: Callable[[SessionKey, Output], None]) -> None:
        """What far kernels say to that comm goes to `hear`, and not to the front end."""
        self._overheard[comm_id] = hear

    def forget(self, comm_id: str) -> None:
        self._overheard.pop(comm_id, None)
