"""What the extension does inside the kernel, in a real IPython shell."""

from __future__ import annotations

import atexit
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from ipykernel.comm.comm import BaseComm
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import KernelManager
from jupyter_client.session import Session
from patience import DEADLINE_S
from traitlets.config import Config

from farcell.remote_runtime.agent.kernel_extension import (
    VARIABLES_REPLY,
    VARIABLES_REQUEST,
    load_ipython_extension,
    number_next_cell,
    user_variables,
)
from farcell.remote_runtime.agent.kernel_process import EXTENSION

CODE = """
import math, json as j
from pathlib import Path
from math import sqrt
_private = 1
x = 1
text = "x"
def mine(): pass
class Net: pass
net = Net()
alias = sqrt
"""


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    made = InteractiveShell(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))
    yield made
    atexit.unregister(made.atexit_operations)
    made.atexit_operations()


def variables(shell: InteractiveShell) -> dict[str, str]:
    found = user_variables(shell.user_ns, shell.user_ns_hidden)
    return {variable["name"]: variable["type"] for variable in found}


def test_a_fresh_shell_has_no_variables(shell):
    assert variables(shell) == {}


def test_what_cells_made_is_named_and_what_they_imported_is_not(shell):
    shell.run_cell(CODE)
    assert variables(shell) == {
        "x": "int",
        "text": "str",
        "mine": "function",
        "Net": "type",
        "net": "Net",
    }


def test_a_name_of_ipythons_own_counts_when_a_cell_has_taken_it(shell):
    shell.run_cell("if True:\n    exit = 3")
    assert variables(shell) == {"exit": "int"}


def test_looking_changes_nothing_in_the_namespace(shell):
    shell.run_cell("x = 1")
    before = set(shell.user_ns)
    variables(shell)
    assert set(shell.user_ns) == before


class Kernel:
    """As much of ipykernel as the extension touches."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.counts: list[int] = []
        self.shell = SimpleNamespace(
            kernel=self,
            user_ns={"x": 1},
            user_ns_hidden={},
            execution_count=1,
            events=SimpleNamespace(register=lambda *_: None),
        )
        self.session = SimpleNamespace(send=self._send)
        self.iopub_thread = SimpleNamespace(socket=SimpleNamespace(sndhwm=1000), schedule=lambda work: work())
        self.shell_handlers: dict[str, Callable[..., Awaitable[None]]] = {"execute_request": self._execute}
        self.control_handlers: dict[str, Callable[..., Awaitable[None]]] = {}
        load_ipython_extension(self.shell)

    def _send(
        self, _stream: object, msg_type: str, content: dict[str, Any], *_: object, **__: object
    ) -> None:
        self.sent.append((msg_type, content))

    async def _execute(self, *_: object) -> None:
        self.counts.append(self.shell.execution_count)


async def test_variables_are_answered_on_the_shell_channel():
    kernel = Kernel()
    await kernel.shell_handlers[VARIABLES_REQUEST](None, None, {})
    assert kernel.sent == [(VARIABLES_REPLY, {"status": "ok", "variables": [{"name": "x", "type": "int"}]})]


@pytest.mark.parametrize(
    ("metadata", "count"),
    [({"farcell": {"number": 41}}, 41), ({"farcell": {"number": None}}, 1), ({"farcell": None}, 1), ({}, 1)],
)
async def test_a_cell_runs_under_its_notebooks_number_if_it_has_one(metadata, count):
    kernel = Kernel()
    await kernel.shell_handlers["execute_request"](None, None, {"metadata": metadata})
    assert kernel.counts == [count]


def test_numbers_that_come_again_are_all_in_the_history(shell, capsys):
    for number, source in [(5, "a = 1"), (6, "a = 2"), (5, "a = 3"), (5, "a = 4"), (9, "a = 5")]:
        number_next_cell(shell, number)
        shell.run_cell(source, store_history=True)
    tail = list(shell.history_manager.get_tail(10, include_latest=True))
    assert [source for _, _, source in tail] == ["a = 1", "a = 2", "a = 3", "a = 4", "a = 5"]
    assert [number for _, number, _ in tail] == [5, 6, 5, 5, 9]
    assert capsys.readouterr().out == ""


@pytest.fixture
def used_comm(monkeypatch: pytest.MonkeyPatch) -> BaseComm:
    """A comm that the main shell has used last, and that has asked a question on the subshell ``asker``."""
    route = getattr(BaseComm, "_reply_subshell_for", None)
    if route is None:
        pytest.skip("this ipykernel takes comms where they are sent")
    monkeypatch.setattr(BaseComm, "_reply_subshell_for", route)  # puts it back after the test
    Kernel()
    comm = BaseComm(primary=False)
    comm._reply_subshell_id = None
    comm._reply_subshell_ids["question"] = "asker"
    return comm


def test_a_comms_message_is_handled_on_the_subshell_that_it_is_for(used_comm):
    for data in ({"method": "update"}, {}, None, "text", {"content": {"id": 1}}, {"content": None}):
        assert used_comm._reply_subshell_for(data, "theirs") == "theirs"
        assert used_comm._reply_subshell_for(data, None) is None


def test_an_answer_is_handled_on_the_subshell_that_asked(used_comm):
    assert used_comm._reply_subshell_for({"content": {"id": "question"}}, "theirs") == "asker"


def test_without_a_kernel_nothing_is_loaded():
    load_ipython_extension(SimpleNamespace(kernel=None))


DISPLAYS = 4_000
"""Each of 10 KB: far more than 1,000 messages, and than sockets hold."""
SHOW = f"for n in range({DISPLAYS}): get_ipython().display_pub.publish({{'text/plain': f'{{n:<10240}}'}})"


def test_a_kernel_drops_nothing_that_a_slow_reader_has_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    manager = KernelManager(connection_file=str(tmp_path / "kernel.json"))
    manager.start_kernel(extra_arguments=[f"--IPKernelApp.extra_extensions={EXTENSION}"])
    client = manager.client()
    try:
        client.start_channels(iopub=False, hb=False)
        with slow_reader(manager) as reader:
            msg_id = client.execute(SHOW)
            while client.get_shell_msg(timeout=DEADLINE_S)["parent_header"].get("msg_id") != msg_id:
                pass
            assert shown(reader, client.session, msg_id) == [str(number) for number in range(DISPLAYS)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy(linger=0)


@contextmanager
def slow_reader(manager: KernelManager) -> Iterator[zmq.Socket[bytes]]:
    """One that takes hardly anything until it is read."""
    reader = manager.context.socket(zmq.XSUB)
    reader.rcvhwm, reader.rcvbuf = 1, 4096
    reader.connect(f"tcp://{manager.ip}:{manager.iopub_port}")
    reader.send(b"\x01")
    try:
        assert reader.poll(DEADLINE_S * 1000), "the kernel says nothing"
        yield reader
    finally:
        reader.close(linger=0)


def shown(reader: zmq.Socket[bytes], session: Session, msg_id: str) -> list[str]:
    """What the cell has shown, up to its idle status."""
    texts: list[str] = []
    while reader.poll(DEADLINE_S * 1000):
        _, parts = session.feed_identities(reader.recv_multipart())
        message = session.deserialize(parts)
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        if message["msg_type"] == "display_data":
            texts.append(message["content"]["data"]["text/plain"].strip())
        elif message["content"].get("execution_state") == "idle":
            return texts
    raise AssertionError(f"no idle status behind {len(texts)} displays")
