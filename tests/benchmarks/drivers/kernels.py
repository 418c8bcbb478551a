"""A bare ipykernel, over TCP, as jupyter_client starts it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

ANSWER_S = 60.0
QUIET_S = 10.0


STOCK_RECONNECT_MS = 100


@contextmanager
def started_kernel(
    reconnect_ms: int = STOCK_RECONNECT_MS, arguments: tuple[str, ...] | None = None
) -> Iterator[BlockingKernelClient]:
    """The client of a kernel whose process has been started; its channels are open, the kernel answers when it does.

    `arguments` are those of another kernel's program than ipykernel, for the same Python.
    """
    context = zmq.Context()
    context.setsockopt(zmq.RECONNECT_IVL, reconnect_ms)
    manager = KernelManager(kernel_name="python3", context=context)
    if arguments is not None:
        manager.kernel_spec.argv = [sys.executable, *arguments]
    manager.start_kernel()
    client = manager.client()
    client.start_channels(hb=False)
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=arguments is None)  # a Farcell kernel ends its session
        context.destroy(linger=0)


def run(client: BlockingKernelClient, code: str) -> None:
    """Returns with the kernel's reply *and* its idle; raises for a cell that fails."""
    for _ in outputs(client, code):
        continue


def outputs(client: BlockingKernelClient, code: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The types and contents of all that comes over IOPub for a cell; ends and raises as `run` does.

    ZMQ may drop the idle with other messages: then it is over `QUIET_S` after the last that came.
    """
    msg_id = client.execute(code)
    while True:
        try:
            message = client.get_iopub_msg(timeout=QUIET_S)
        except Empty:
            if client.shell_channel.msg_ready():
                break
            continue
        if message["parent_header"].get("msg_id") == msg_id:
            if message["content"].get("execution_state") == "idle":
                break
            yield message["msg_type"], message["content"]
    reply = client.get_shell_msg(timeout=ANSWER_S)
    if reply["content"]["status"] != "ok":
        raise RuntimeError(f"the cell failed: {reply['content']}")


def wait_for_output(client: BlockingKernelClient, code: str) -> float:
    """Sends a cell at once, whether the kernel is there or not; returns when its first output is.

    The request waits in the socket. Should the kernel have run it before it knew this subscriber, it is sent again.
    """
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        msg_id = client.execute(code)
        while time.monotonic() < deadline:
            if client.shell_channel.msg_ready() and not client.iopub_channel.socket.poll(50):
                client.get_shell_msg()
                break
            if client.iopub_channel.socket.poll(20) and _is_output(client.get_iopub_msg(), msg_id):
                return time.perf_counter()
    raise TimeoutError(f"no output within {ANSWER_S:.0f} s")


def _is_output(message: dict, msg_id: str) -> bool:
    return message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == msg_id
