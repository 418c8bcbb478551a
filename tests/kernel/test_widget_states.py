"""The states of all widgets from several kernels, in one answer."""

from __future__ import annotations

from farcell.kernel.widget_states import merged
from farcell.remote_runtime.client.output import Output


def answer(widget: str, *buffers: bytes) -> Output:
    data = {
        "method": "update_states",
        "states": {widget: {"model_name": "M"}},
        "buffer_paths": [[widget, "state", str(number)] for number in range(len(buffers))],
    }
    return Output("comm_msg", {"comm_id": "control", "data": data}, {}, buffers)


def test_each_buffer_keeps_its_path():
    whole = merged([answer("a", b"1", b"2"), answer("b"), answer("c", b"3")])
    data = whole.content["data"]
    assert set(data["states"]) == {"a", "b", "c"}
    assert [path[0] for path in data["buffer_paths"]] == ["a", "a", "c"]
    assert whole.buffers == (b"1", b"2", b"3")
    assert data["method"] == "update_states"


def test_nobody_has_widgets():
    assert merged([]).content["data"] == {"method": "update_states", "states": {}, "buffer_paths": []}
