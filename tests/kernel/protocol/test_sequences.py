"""The Farcell kernel's messages beside an ordinary kernel's: the same kinds, contents, metadata, parents and order."""

from __future__ import annotations

import re
from typing import Any

import pytest
from front_end import Exchange, FrontEnd, Message

OWN_METADATA = "farcell"
"""A far cell's time and cost."""

CELLS = {
    "nothing": "pass",
    "a result": "6 * 7",
    "streams": "import sys\nprint('out', flush=True)\nprint('err', file=sys.stderr, flush=True)",
    "an error": "print('before')\n1 / 0",
    "a syntax error": "for",
    "displays": "handle = display('a', display_id='one')\nhandle.update('b')\ndisplay(1, metadata={'k': 1})",
    "clearing": "from IPython.display import clear_output\nprint(1)\nclear_output(wait=True)\nprint(2)",
    "HTML": "from IPython.display import HTML\nHTML('<b>x</b>')",
    "a shell escape": "!echo hello",
    "a magic": "%precision 3",
    "a page": "len?",
    "an exit": "raise SystemExit(3)",
    "an exit by name": "exit(keep_kernel=True)",
    "next input": "get_ipython().set_next_input('more')",
    "a thread": "import threading\nt = threading.Thread(target=print, args=('in a thread',))\nt.start()\nt.join()",
    "a payload of a file": "%%writefile some.py\nx = 1",
    "an await": "import asyncio\nawait asyncio.sleep(0, 'done')",
    "unicode": "'\\ud83d\\ude00 é \\ud800'",
    "a lot": "print('x' * 3_000_000)",
}

REQUESTS: dict[str, tuple[str, Message]] = {
    "kernel_info": ("kernel_info_request", {}),
    "complete": ("complete_request", {"code": "pri", "cursor_pos": 3}),
    "complete nothing": ("complete_request", {"code": "qqqq", "cursor_pos": 4}),
    "inspect": ("inspect_request", {"code": "len", "cursor_pos": 2, "detail_level": 0}),
    "inspect more": ("inspect_request", {"code": "import os; os.path", "cursor_pos": 3, "detail_level": 1}),
    "inspect nothing": ("inspect_request", {"code": "qqqq", "cursor_pos": 4, "detail_level": 0}),
    "is_complete": ("is_complete_request", {"code": "def f():"}),
    "comm_info": ("comm_info_request", {}),
    "history": (
        "history_request",
        {"hist_access_type": "search", "pattern": "no such", "output": False, "raw": True},
    ),
}

CONTROLS: dict[str, tuple[str, Message]] = {
    "kernel_info": ("kernel_info_request", {}),
    "interrupt": ("interrupt_request", {}),
    "list_subshell": ("list_subshell_request", {}),
    "debugInfo": ("debug_request", {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}),
}


def told(exchange: Exchange) -> dict[str, Any]:
    """All of an exchange but for what is chance."""
    assert exchange.reply is not None
    for message in (exchange.reply, *exchange.heard):
        assert parent(message) == parent({"parent_header": exchange.request["header"]}), (
            "the request's header, unchanged"
        )
    return {"reply": shape(exchange.reply), "heard": [shape(one) for one in joined(exchange.heard)]}


def parent(message: Message) -> Message:
    return {**message["parent_header"], "date": message["parent_header"]["date"].timestamp()}


def joined(heard: list[Message]) -> list[Message]:
    """One stream message for what may come in any number of them."""
    whole: list[Message] = []
    for message in heard:
        content = message["content"]
        if whole and message["msg_type"] == whole[-1]["msg_type"] == "stream":
            before = whole[-1]["content"]
            if before["name"] == content["name"]:
                before["text"] += content["text"]
                continue
        whole.append(message)
    return whole


def shape(message: Message) -> dict[str, Any]:
    metadata = {key: value for key, value in message["metadata"].items() if key != OWN_METADATA}
    return {
        "kind": message["msg_type"],
        "metadata": without_chance(metadata),
        "content": without_chance(message["content"]),
        "buffers": [bytes(buffer) for buffer in message["buffers"]],
    }


def without_chance(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "…" if key in CHANCE else without_chance(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_chance(one) for one in value]
    return CHANCES.sub("…", value) if isinstance(value, str) else value


CHANCES = re.compile(r"0x[0-9a-f]+|ipykernel_\d+|(?<=Tip: )[^\n]*")
CHANCE = frozenset({"started", "engine", "engine_uuid", "execution_count", "tmpFilePrefix", "hashSeed"})


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_told_as_an_ordinary_kernel_tells_it(ordinary: FrontEnd, farcell: FrontEnd, cell: str):
    assert told(farcell.run(CELLS[cell])) == told(ordinary.run(CELLS[cell]))


@pytest.mark.parametrize(
    "changes", [{"silent": True}, {"store_history": False}, {"user_expressions": {"a": "1 + 1"}}]
)
def test_hidden_code_is_told_as_an_ordinary_kernel_tells_it(
    ordinary: FrontEnd, farcell: FrontEnd, changes: Message
):
    code = "print('said')\n'a result'"
    assert told(farcell.run(code, **changes)) == told(ordinary.run(code, **changes))


def test_cells_are_counted_as_an_ordinary_kernel_counts_them(ordinary: FrontEnd, farcell: FrontEnd):
    counts = []
    for kernel in (ordinary, farcell):
        first = kernel.run("pass").answer["execution_count"]
        kernel.run("pass", silent=True)
        kernel.run("pass", store_history=False)
        later = [kernel.run("1 / 0"), kernel.run("for"), kernel.run(""), kernel.run("2")]
        counts.append([one.answer["execution_count"] - first for one in later])
        assert (
            later[-1].contents("execute_input")[0]["execution_count"] == later[-1].answer["execution_count"]
        )
    assert counts[0] == counts[1]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_is_answered_as_by_an_ordinary_kernel(ordinary: FrontEnd, farcell: FrontEnd, request_: str):
    asked = REQUESTS[request_]
    assert told(farcell.ask(*asked)) == told(ordinary.ask(*asked))


@pytest.mark.parametrize("request_", CONTROLS)
def test_a_request_on_control_is_answered_as_by_an_ordinary_kernel(
    ordinary: FrontEnd, farcell: FrontEnd, request_: str
):
    asked = CONTROLS[request_]
    assert told(farcell.control(*asked)) == told(ordinary.control(*asked))


@pytest.mark.parametrize("asked", [("execute_request", {"nothing": "of use"}), ("no_such_request", {})])
def test_what_can_not_be_answered_breaks_nothing(kernel: FrontEnd, asked: tuple[str, Message]):
    garbage = kernel.send(*asked)
    kernel.until(lambda: garbage.states == ["busy", "idle"])
    assert kernel.run("'well'").result == "'well'"
