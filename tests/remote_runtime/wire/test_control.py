"""Control messages: each in its JSON, and whatever else may come."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.api import IdleReport, Signal
from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.wire import control
from farcell.remote_runtime.wire.control import Control, DeviceFact, FromAgent, FromGateway, GpuUse

STREAM = {"stream": "s", "peer": None, "received": [0, 0]}
REPORT = IdleReport(
    12.5, 47.5, warned=True, signals=(Signal("cell", busy=False, value="0 running", quiet_s=12.5),)
)
FROM_AGENT: list[tuple[Control, dict[str, Any]]] = [
    (
        control.Hello(
            "nonce", STREAM, 1, "0.1", "3.12", 7, (DeviceFact("GPU-1", "H100", 80, simulated=True),), "580"
        ),
        {
            "type": "hello",
            "nonce": "nonce",
            "devices": [{"uuid": "GPU-1", "name": "H100", "memory_bytes": 80, "simulated": True}],
        },
    ),
    (control.Ready(7, 8), {"type": "ready", "kernel_pid": 7, "uptime_ms": 8}),
    (control.Status(busy=True, idle=REPORT), {"type": "status", "busy": True}),
    (
        control.Usage(9, 0.5, 10, (GpuUse("GPU-1", 0.25, 11),)),
        {
            "type": "usage",
            "uptime_ms": 9,
            "gpus": [{"uuid": "GPU-1", "utilisation": 0.25, "memory_used_bytes": 11}],
        },
    ),
    (control.Cell("a", 1, 2, 3, "ok", 4, 5, 0.5), {"type": "cell", "execute_id": "a", "ended_ms": 3}),
    (control.Installed(("tqdm==4.0",)), {"type": "installed", "packages": ["tqdm==4.0"]}),
    (control.KernelDied("SIGSEGV"), {"type": "kerneldied", "detail": "SIGSEGV"}),
    (control.Bye("idle", 9, ("x",)), {"type": "bye", "reason": "idle", "unsaved": ["x"]}),
]
FROM_GATEWAY: list[tuple[Control, dict[str, Any]]] = [
    (control.Welcome(STREAM, 60.0, 300.0, 86400.0), {"type": "welcome", "lease_end_s": 60.0}),
    (control.Attach(2), {"type": "attach", "client": 2}),
    (control.Detach(2), {"type": "detach", "client": 2}),
    (control.Interrupt(), {"type": "interrupt"}),
    (control.Restart(), {"type": "restart"}),
    (control.Keep(3600.0), {"type": "keep", "seconds": 3600.0}),
    (control.Settings(10.0, 20.0), {"type": "settings", "idle_s": 10.0, "busy_cap_s": 20.0}),
    (control.LeaseEnd(30.0), {"type": "leaseend", "in_s": 30.0}),
    (control.Stop("stopped"), {"type": "stop", "reason": "stopped"}),
]
READERS = {"agent": control.decode_from_agent, "gateway": control.decode_from_gateway}


def name(case: object) -> str:
    return type(case).__name__ if isinstance(case, Control) else ""


def test_every_message_has_its_example():
    assert {type(message) for message, _ in FROM_AGENT} == set(get_args(FromAgent))
    assert {type(message) for message, _ in FROM_GATEWAY} == set(get_args(FromGateway))


@pytest.mark.parametrize(("message", "part"), FROM_AGENT + FROM_GATEWAY, ids=name)
def test_the_json_is_this(message, part):
    encoded = json.loads(control.encode(message))
    assert {key: encoded[key] for key in part} == part


@pytest.mark.parametrize("message", [message for message, _ in FROM_AGENT], ids=name)
@pytest.mark.parametrize(
    "kind", [bytes, memoryview, lambda data: data.decode()], ids=["bytes", "view", "text"]
)
def test_what_an_agent_says_is_read_by_the_gateway_and_by_no_agent(message, kind):
    assert control.decode_from_agent(kind(control.encode(message))) == message
    with pytest.raises(BadFrame):
        control.decode_from_gateway(control.encode(message))


@pytest.mark.parametrize("message", [message for message, _ in FROM_GATEWAY], ids=name)
def test_what_a_gateway_says_is_read_by_the_agent_and_by_no_gateway(message):
    assert control.decode_from_gateway(control.encode(message)) == message
    with pytest.raises(BadFrame):
        control.decode_from_agent(control.encode(message))


def test_fields_that_are_not_known_are_ignored():
    assert control.decode_from_gateway(b'{"type": "attach", "client": 2, "later": []}') == control.Attach(2)


BAD = [b"", b"{", b"null", b"[]", b"{}", b'{"type": "nothing"}', b'{"type": 1}', b'{"type": "attach"}']
BAD += [
    b'{"type": "attach", "client": "two"}',
    b"\xff",
    b"[" * 100_000,
    b'{"type": "usage", "uptime_ms": 1.5}',
]


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data[:30]))
def test_what_is_none_of_them_is_a_bad_frame(read, data):
    with pytest.raises(BadFrame, match="not a control message"):
        read(data)


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_no_bytes_raise_anything_else(data):
    for read in READERS.values():
        with pytest.raises(BadFrame):
            read(data)
