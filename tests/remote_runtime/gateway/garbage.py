"""Garbage for the gateway's WebSockets: bytes of any kind, and what is nearly right."""

from __future__ import annotations

import json
import struct
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from farcell.remote_runtime.wire import Kind, Priority
from farcell.remote_runtime.wire.frames import Frame, pack

from .faces import kernel_message
from .played_agent import NONCE

T = TypeVar("T")
GOOD_MESSAGE = kernel_message("execute_request", {"code": "1"}, msg_id="an-id")
GOOD_LEGACY = {
    "channel": "shell",
    "header": {"msg_id": "an-id", "msg_type": "execute_request", "session": "s", "username": "u"},
    "parent_header": {},
    "metadata": {},
    "content": {"code": "1"},
}
GOOD_HELLO = {"type": "hello", "nonce": NONCE, "stream": {"stream": "a", "peer": None, "received": [0, 0]}}
NUMBERS = st.sampled_from([0, -1, 1, 1.5, 1e300, 1 << 31, 1 << 53, 1 << 63, 1 << 64, 10**30])
"""Where something might overflow."""


def examples(strategy: SearchStrategy[T], count: int, number: int = 1) -> list[T]:
    """The same ones each time for the same seed; for tests that are not functions of one example."""
    found: list[T] = []

    @seed(number)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(one: T) -> None:
        found.append(one)

    collect()
    return found


json_values: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20) | st.just("\0"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
deep = st.sampled_from(["[" * 50_000, '{"a":' * 50_000, "[" * 500 + "]" * 500])
texts = st.text(max_size=200) | json_values.map(json.dumps) | deep


def bent(good: bytes) -> SearchStrategy[bytes]:
    """Bytes that were right: cut, longer, or with some of them changed."""
    places = st.integers(0, len(good) - 1)
    return st.one_of(
        places.map(lambda end: good[:end]),
        st.tuples(places, st.binary(max_size=20)).map(lambda cut: good[: cut[0]] + cut[1] + good[cut[0] :]),
        st.tuples(places, st.binary(min_size=1, max_size=8)).map(
            lambda put: good[: put[0]] + put[1] + good[put[0] + len(put[1]) :]
        ),
    )


def changed(good: dict[str, Any]) -> SearchStrategy[str]:
    """A JSON object that was right, with one or more of its values others, or not there."""
    some = st.dictionaries(st.sampled_from([*good, "more"]), json_values, min_size=1, max_size=3)
    lacking = st.sampled_from(list(good)).map(lambda name: {key: good[key] for key in good if key != name})
    return (some.map(lambda changes: {**good, **changes}) | lacking).map(json.dumps)


tables = st.tuples(
    st.sampled_from([0, 1, 5, 6, 7, 65_543, 1 << 32, 1 << 63]), st.lists(NUMBERS, max_size=8)
).map(
    lambda table: struct.pack(
        f"<Q{len(table[1])}Q", table[0], *(int(offset) % (1 << 64) for offset in table[1])
    )
)
kernel_messages = st.binary(max_size=300) | bent(GOOD_MESSAGE) | tables | texts
legacy_messages = texts | changed(GOOD_LEGACY) | st.binary(max_size=300) | bent(b"\0\0\0\1\0\0\0\x08{}")
hellos = texts | changed(GOOD_HELLO) | st.binary(max_size=300)

ORDERS: list[dict[str, Any]] = [
    {"type": "ready", "kernel_pid": 1, "uptime_ms": 1},
    {"type": "status", "busy": True, "idle": {"idle_s": 1.0, "signals": []}},
    {"type": "usage", "uptime_ms": 1, "cpu": 0.5, "memory_bytes": 1, "gpus": []},
    {"type": "cell", "execute_id": "a", "number": 1, "started_ms": 0, "ended_ms": 1, "status": "ok"},
    {"type": "bye", "reason": "boredom", "uptime_ms": 1, "unsaved": ["x"]},
    GOOD_HELLO,
]
orders = st.one_of([changed({**order}) for order in ORDERS if order["type"] != "bye"]) | texts
frames = st.one_of(
    st.binary(max_size=300),
    bent(pack(Frame(Kind.CONTROL, Priority.HIGH, seq=1, body=json.dumps(ORDERS[0]).encode()))),
    bent(pack(Frame(Kind.KERNEL, Priority.NORMAL, seq=1, body=GOOD_MESSAGE))),
    orders.map(
        lambda order: pack(Frame(Kind.CONTROL, Priority.HIGH, seq=1, body=order.encode(errors="replace")))
    ),
    st.binary(max_size=100).map(lambda body: pack(Frame(Kind.KERNEL, Priority.NORMAL, seq=1, body=body))),
    texts,
)
