"""A kernel's channels, in both layouts: replies, states, input, interrupts, restarts, buffers, who comes back."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import websocket
from kernel_socket import DEADLINE_S, KernelSocket, contents, kernel_socket, kinds, of, states, texts
from stock_servers import StockServer

ECHO = """
def _opened(comm, message):
    comm.on_msg(lambda message: comm.send({"echo": True}, buffers=message["buffers"]))
get_ipython().kernel.comm_manager.register_target("echo", _opened)
"""


def eventually(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def test_the_kernel_says_what_it_is(channels: KernelSocket):
    told = channels.answers(channels.send("kernel_info_request"))
    (info,) = contents(told, "kernel_info_reply")
    assert (info["status"], info["language_info"]["name"]) == ("ok", "python")


def test_a_cell_prints_and_the_kernel_is_busy_meanwhile(channels: KernelSocket):
    told = channels.execute("print('ü', 1 + 1)\n'value'")
    assert texts(told) == "ü 2\n"
    assert states(told) == ["busy", "idle"]
    assert [content["data"]["text/plain"] for content in contents(told, "execute_result")] == ["'value'"]
    assert contents(told, "execute_reply")[0]["status"] == "ok"
    assert {one["channel"] for one in told} == {"iopub", "shell"}


def test_parent_headers_come_back_unchanged(channels: KernelSocket):
    told = channels.execute("pass")
    assert {one["parent_header"]["session"] for one in told} == {channels.session.session}


def test_an_error_is_told(channels: KernelSocket):
    told = channels.execute("1 / 0")
    assert contents(told, "execute_reply")[0]["status"] == "error"
    assert [content["ename"] for content in contents(told, "error")] == ["ZeroDivisionError"]


def test_a_cell_asks_for_input(channels: KernelSocket):
    asked = channels.send(
        "execute_request", {"code": "print(input('who? '))", "silent": False, "allow_stdin": True}
    )
    told = channels.until(lambda told: "input_request" in kinds(of(told, asked)))
    (question,) = contents(told, "input_request")
    assert question["prompt"] == "who? "
    channels.send("input_reply", {"value": "ada", "status": "ok"}, "stdin")
    assert texts(channels.answers(asked)) == "ada\n"


def test_an_interrupt_over_rest_ends_a_cell(server: StockServer, channels: KernelSocket, kernel_id: str):
    asked = channels.send("execute_request", {"code": "print('on', flush=True)\nimport time; time.sleep(60)"})
    told = channels.until(lambda told: "stream" in kinds(of(told, asked)))
    eventually(lambda: server.get(f"/api/kernels/{kernel_id}")["execution_state"] == "busy")
    assert server.ask("POST", f"/api/kernels/{kernel_id}/interrupt").status_code == 204
    told = channels.until(lambda told: "idle" in states(of(told, asked)), told)
    assert [content["ename"] for content in contents(told, "error")] == ["KeyboardInterrupt"]
    eventually(lambda: server.get(f"/api/kernels/{kernel_id}")["execution_state"] == "idle")


def test_a_kernel_that_was_restarted_has_forgotten(
    server: StockServer, channels: KernelSocket, kernel_id: str
):
    channels.execute("remembered = 1")
    assert server.ask("POST", f"/api/kernels/{kernel_id}/restart").status_code == 200
    channels.wait_for_kernel()
    assert channels.value("'remembered' in globals()") == "False"


def test_buffers_pass_both_ways(channels: KernelSocket):
    buffers = [b"", bytes(range(256)), b"x" * 100_000]
    channels.execute(ECHO)
    comm_id = uuid.uuid4().hex
    channels.send("comm_open", {"comm_id": comm_id, "target_name": "echo", "data": {}})
    asked = channels.send("comm_msg", {"comm_id": comm_id, "data": {}}, buffers=buffers)
    told = channels.until(lambda told: "comm_msg" in kinds(of(told, asked)))
    (echo,) = [one for one in of(told, asked) if one["header"]["msg_type"] == "comm_msg"]
    assert [bytes(buffer) for buffer in echo["buffers"]] == buffers


def test_output_comes_whole_and_in_order_however_much_it_is(channels: KernelSocket):
    told = channels.execute("for number in range(5000): print(number)", silent=False)
    assert texts(told) == "".join(f"{number}\n" for number in range(5000))


def test_two_clients_each_get_their_replies_and_all_output(
    server: StockServer, kernel_id: str, channels: KernelSocket
):
    with kernel_socket(server, kernel_id) as other:
        other.wait_for_kernel()
        asked = channels.send("execute_request", {"code": "print('to all')"})
        assert texts(channels.answers(asked)) == "to all\n"
        told = other.until(lambda told: "idle" in states(of(told, asked)))
        assert texts(of(told, asked)) == "to all\n"
        assert "execute_reply" not in kinds(told)


@pytest.mark.parametrize("offered", [["nonsense"], ["nonsense", "v1.kernel.websocket.jupyter.org"]])
def test_subprotocols_that_are_not_spoken_are_passed_over(
    server: StockServer, kernel_id: str, offered: list[str]
):
    socket = websocket.create_connection(
        f"ws{server.url.removeprefix('http')}/api/kernels/{kernel_id}/channels",
        header=[f"Authorization: token {server.token}", f"Sec-WebSocket-Protocol: {', '.join(offered)}"],
        timeout=DEADLINE_S,
    )
    accepted = dict(socket.headers).get("sec-websocket-protocol")
    socket.close()
    assert accepted == (offered[1] if len(offered) > 1 else None)


def test_channels_of_an_unknown_kernel_are_refused(server: StockServer, subprotocol: str | None):
    with (
        pytest.raises(websocket.WebSocketBadStatusException) as refused,
        kernel_socket(server, str(uuid.uuid4()), subprotocol),
    ):
        pass
    assert refused.value.status_code == 404


# --- who comes back ---


def leave_in_a_cell(server: StockServer, kernel_id: str, subprotocol: str | None, session_id: str) -> str:
    """Runs a cell that prints once it has been left; returns the cell's id when it is over."""
    with kernel_socket(server, kernel_id, subprotocol, session_id) as channels:
        channels.wait_for_kernel()
        gate = Path(tempfile.gettempdir()) / f"farcell-gate-{uuid.uuid4().hex}"
        code = f"import os, time\nprint('here', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"
        asked = channels.send("execute_request", {"code": f"{code}\nos.unlink({str(gate)!r})\nprint('away')"})
        channels.until(lambda told: "stream" in kinds(of(told, asked)))
    eventually(lambda: server.get(f"/api/kernels/{kernel_id}")["connections"] == 0)
    gate.touch()
    eventually(lambda: not gate.exists())
    eventually(lambda: server.get(f"/api/kernels/{kernel_id}")["execution_state"] == "idle")
    return asked


def test_who_comes_back_under_its_session_id_gets_what_it_missed(
    server: StockServer, kernel_id: str, subprotocol: str | None
):
    session_id = uuid.uuid4().hex
    asked = leave_in_a_cell(server, kernel_id, subprotocol, session_id)
    with kernel_socket(server, kernel_id, subprotocol, session_id) as channels:
        told = channels.answers(asked)
    assert texts(told) == "away\n"
    assert contents(told, "execute_reply")[0]["status"] == "ok"


def test_what_was_kept_is_dropped_when_another_client_comes(
    server: StockServer, kernel_id: str, subprotocol: str | None
):
    session_id = uuid.uuid4().hex
    asked = leave_in_a_cell(server, kernel_id, subprotocol, session_id)
    with kernel_socket(server, kernel_id, subprotocol) as other:
        other.wait_for_kernel()
    with kernel_socket(server, kernel_id, subprotocol, session_id) as channels:
        last = channels.send("kernel_info_request")
        told = channels.until(lambda told: "kernel_info_reply" in kinds(of(told, last)))
    assert of(told, asked) == []
