"""What Jupyter's own suite lacks, on an ordinary kernel and on the Farcell kernel: each test shows both the same."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from front_end import Exchange, FrontEnd

# --- what runs, and what does not ---


def test_expressions_are_evaluated_after_the_cell(kernel: FrontEnd):
    asked = {"double": "x * 2", "wrong": "1 / 0"}
    answer = kernel.run("x = 21", user_expressions=asked).answer["user_expressions"]
    assert answer["double"]["data"] == {"text/plain": "42"}
    assert (answer["wrong"]["status"], answer["wrong"]["ename"]) == ("error", "ZeroDivisionError")


def failing(kernel: FrontEnd, **changes: Any) -> list[Exchange]:
    """A cell that fails, once two more wait behind it."""
    first = kernel.start("import time; input(); time.sleep(1); 1 / 0", allow_stdin=True, **changes)
    kernel.until(lambda: first.questions)
    behind = [kernel.start("print('ran')"), kernel.start("print('ran')")]
    kernel.answer(first, "go on")
    return [kernel.done(one) for one in (first, *behind)]


def test_cells_behind_one_that_fails_are_aborted(kernel: FrontEnd):
    first, *behind = failing(kernel)
    assert first.answer["ename"] == "ZeroDivisionError"
    assert [one.answer["status"] for one in behind] == ["aborted", "aborted"]
    assert [one.kinds for one in behind] == [["busy", "idle"]] * 2
    assert kernel.run("print('next')").stdout == "next\n"


def test_cells_behind_one_that_fails_run_where_that_is_asked_for(kernel: FrontEnd):
    _, *behind = failing(kernel, stop_on_error=False)
    assert [one.stdout for one in behind] == ["ran\n", "ran\n"]


def count(kernel: FrontEnd) -> int:
    return int(kernel.run("pass").answer["execution_count"])


def test_silent_code_shows_neither_itself_nor_a_result(kernel: FrontEnd):
    before = count(kernel)
    silent = kernel.run("seen = 'by nobody'; print('said'); seen", silent=True, store_history=False)
    assert (silent.answer["status"], silent.kinds) == ("ok", ["busy", "stream", "idle"])
    assert count(kernel) == before + 1
    assert kernel.run("seen").result == "'by nobody'"


def test_code_without_history_shows_its_output_and_is_not_counted(kernel: FrontEnd):
    before = count(kernel)
    shown = kernel.run("'not in the history'", store_history=False)
    assert shown.kinds == ["busy", "execute_input", "execute_result", "idle"]
    assert count(kernel) == before + 1
    assert "not in the history" not in str(kernel.run("In").result)


def test_the_history_has_what_ran(kernel: FrontEnd):
    mark = uuid.uuid4().hex
    number = kernel.run(f"mark = '{mark}'; mark").answer["execution_count"]
    content = {"output": False, "raw": True, "hist_access_type": "search", "pattern": f"*{mark}*", "n": 5}
    ((_, line, source),) = kernel.ask("history_request", content).answer["history"]
    assert (line, source) == (number, f"mark = '{mark}'; mark")
    content = {"output": True, "raw": True, "hist_access_type": "range", "session": 0, "start": number}
    ((_, _, (source, output)),) = kernel.ask("history_request", content).answer["history"]
    assert (source, output) == (f"mark = '{mark}'; mark", repr(mark))


def test_payloads_come_with_the_reply(kernel: FrontEnd):
    (page,) = kernel.run("len?").answer["payload"]
    assert page["source"] == "page"
    (next_input,) = kernel.run("get_ipython().set_next_input('more')").answer["payload"]
    assert (next_input["source"], next_input["text"]) == ("set_next_input", "more")


# --- comms ---

ECHO = """
def echo(comm, opened):
    @comm.on_msg
    def answer(message):
        reversed_ = [bytes(buffer)[::-1] for buffer in message["buffers"]]
        comm.send({"heard": message["content"]["data"]}, metadata={"of": "echo"}, buffers=reversed_)

    @comm.on_close
    def closed(message):
        log.append(message["content"]["data"])

    log.append((opened["content"]["data"], [bytes(buffer) for buffer in opened["buffers"]]))


log = []
get_ipython().kernel.comm_manager.register_target("echo", echo)
"""


def test_a_comm_of_the_front_ends(kernel: FrontEnd):
    kernel.run(ECHO)
    comm_id = uuid.uuid4().hex
    opened = {"comm_id": comm_id, "target_name": "echo", "data": {"a": 1}}
    kernel.send("comm_open", opened, buffers=[b"\x00\xff"])
    assert kernel.run("log").result == r"[({'a': 1}, [b'\x00\xff'])]"
    assert kernel.ask("comm_info_request", {"target_name": "echo"}).answer["comms"] == {
        comm_id: {"target_name": "echo"}
    }
    said = kernel.send("comm_msg", {"comm_id": comm_id, "data": [1, 2]}, buffers=[b"abc", b"\x01" * 100_000])
    kernel.until(lambda: said.contents("comm_msg"))
    (message,) = [one for one in said.heard if one["msg_type"] == "comm_msg"]
    assert message["content"] == {"comm_id": comm_id, "data": {"heard": [1, 2]}}
    assert message["metadata"] == {"of": "echo"}
    assert [bytes(buffer) for buffer in message["buffers"]] == [b"cba", b"\x01" * 100_000]
    kernel.send("comm_close", {"comm_id": comm_id, "data": {"bye": True}})
    assert kernel.run("log[1:]").result == "[{'bye': True}]"
    assert kernel.ask("comm_info_request", {"target_name": "echo"}).answer["comms"] == {}


def test_a_comm_of_the_kernels(kernel: FrontEnd):
    cell = kernel.run(
        "from comm import create_comm\n"
        "comm = create_comm('views', data={'model': 1}, metadata={'m': 2}, buffers=[b'\\x00\\x01'])\n"
        "comm.on_msg(lambda message: print('told', message['content']['data']))\n"
        "comm.send({'state': 3}, buffers=[b'more'])"
    )
    assert cell.kinds == ["busy", "execute_input", "comm_open", "comm_msg", "idle"]
    opened, message = (one for one in cell.heard if one["msg_type"].startswith("comm_"))
    comm_id = opened["content"]["comm_id"]
    assert (opened["content"]["target_name"], opened["content"]["data"]) == ("views", {"model": 1})
    assert (opened["metadata"], bytes(opened["buffers"][0])) == ({"m": 2}, b"\x00\x01")
    assert (message["content"]["data"], bytes(message["buffers"][0])) == ({"state": 3}, b"more")
    told = kernel.send("comm_msg", {"comm_id": comm_id, "data": "x"})
    kernel.until(lambda: "idle" in told.states)
    assert told.stdout == "told x\n"
    assert kernel.run("comm.close()").contents("comm_close") == [{"comm_id": comm_id, "data": {}}]


def test_a_comm_that_nobody_knows_is_closed(kernel: FrontEnd):
    comm_id = uuid.uuid4().hex
    opened = kernel.send("comm_open", {"comm_id": comm_id, "target_name": "no such target", "data": {}})
    kernel.until(lambda: "idle" in opened.states)
    assert [one["comm_id"] for one in opened.contents("comm_close")] == [comm_id]


# --- questions ---


def test_a_question_and_its_answer(kernel: FrontEnd):
    cell = kernel.start("name = input('who? '); print(name)", allow_stdin=True)
    kernel.answer(cell, "Ada ✓")
    assert kernel.done(cell).stdout == "Ada ✓\n"
    (question,) = cell.questions
    assert question["content"] == {"prompt": "who? ", "password": False}


def test_a_password_is_asked_for_as_such(kernel: FrontEnd):
    cell = kernel.start("import getpass; len(getpass.getpass('key: '))", allow_stdin=True)
    kernel.answer(cell, "secret")
    assert kernel.done(cell).result == "6"
    assert cell.questions[0]["content"] == {"prompt": "key: ", "password": True}


def test_two_questions_of_one_cell(kernel: FrontEnd):
    cell = kernel.start("[input(), input()]", allow_stdin=True)
    kernel.answer(cell, "one")
    kernel.until(lambda: len(cell.questions) == 2)
    kernel.answer(cell, "two")
    assert kernel.done(cell).result == "['one', 'two']"


# --- interrupts ---

TELL = "print('on', flush=True)"
# the shell tells it itself: Python drops an interrupt that comes while it forks
WORK = {
    "code": f"{TELL}\nwhile True: pass",
    "sleep": f"{TELL}\nimport time; time.sleep(600)",
    "subprocess": f"{TELL}\nimport subprocess; subprocess.run(['sleep', '600'])",
    "shell": "!echo on; sleep 600",
    "lock": f"{TELL}\nimport threading; threading.Event().wait()",
}


@pytest.mark.parametrize("work", WORK)
def test_an_interrupt_ends(kernel: FrontEnd, work: str):
    cell = kernel.start(f"before = True\n{WORK[work]}")
    kernel.until_prints(cell, "on")
    interrupt = kernel.interrupt()
    assert interrupt.answer == {"status": "ok"}
    kernel.done(cell)
    # IPython reports an interrupted shell escape by its exit code
    if work != "shell":
        assert cell.answer["ename"] == "KeyboardInterrupt"
    assert kernel.run("before").result == "True"


def test_an_interrupt_ends_an_await(farcell: FrontEnd):
    """Which an ordinary kernel notices only with its next message."""
    cell = farcell.start("print('on', flush=True)\nimport asyncio; await asyncio.sleep(600)")
    farcell.until_prints(cell, "on\n")
    farcell.interrupt()
    assert farcell.done(cell).answer["ename"] == "CancelledError"
    assert farcell.run("await asyncio.sleep(0, 'well')").result == "'well'"


def test_an_interrupt_ends_a_question(kernel: FrontEnd):
    cell = kernel.start("input('for ever? ')", allow_stdin=True)
    kernel.until(lambda: cell.questions)
    kernel.interrupt()
    assert kernel.done(cell).answer["ename"] == "KeyboardInterrupt"
    again = kernel.start("input('again? ')", allow_stdin=True)
    kernel.answer(again, "yes")
    assert kernel.done(again).result == "'yes'"


def test_an_interrupt_of_nothing_is_answered(kernel: FrontEnd):
    assert kernel.interrupt().answer == {"status": "ok"}
    assert kernel.run("1 + 1").result == "2"


# --- the debugger ---


def test_a_breakpoint_is_hit(kernel: FrontEnd):
    kernel.run("pass")
    assert kernel.debug("debugInfo", 1)["isStarted"] is False
    kernel.debug("initialize", 2, clientID="test", adapterID="", linesStartAt1=True, columnsStartAt1=True)
    kernel.debug("attach", 3)
    code = "def f(n):\n    m = n + 1\n    return m\nf(41)"
    path = kernel.debug("dumpCell", 4, code=code)["sourcePath"]
    set_ = kernel.debug("setBreakpoints", 5, source={"path": path}, breakpoints=[{"line": 3}], lines=[3])
    assert set_["breakpoints"][0]["verified"]
    kernel.debug("configurationDone", 6)
    cell = kernel.start(code)
    thread = stopped_thread(kernel)
    frame = kernel.debug("stackTrace", 7, threadId=thread)["stackFrames"][0]
    assert (frame["name"], frame["line"]) == ("f", 3)
    scope = kernel.debug("scopes", 8, frameId=frame["id"])["scopes"][0]
    found = kernel.debug("variables", 9, variablesReference=scope["variablesReference"])["variables"]
    assert {"n": "41", "m": "42"}.items() <= {one["name"]: one["value"] for one in found}.items()
    kernel.debug("continue", 10, threadId=thread)
    assert kernel.done(cell).result == "42"
    kernel.debug("disconnect", 11, restart=False, terminateDebuggee=False)
    assert kernel.debug("debugInfo", 12)["isStarted"] is False


def stopped_thread(kernel: FrontEnd) -> int:
    """Events of the debugger come under whatever was last asked of it."""

    def stops() -> list[dict[str, Any]]:
        return [one for one in kernel.all_contents("debug_event") if one["event"] == "stopped"]

    kernel.until(stops)
    return int(stops()[-1]["body"]["threadId"])


# --- subshells ---


def test_a_subshell_runs_while_the_main_shell_is_busy(kernel: FrontEnd):
    kernel.run("import threading; gate = threading.Event()")
    subshell = kernel.control("create_subshell_request").answer["subshell_id"]
    assert subshell in kernel.control("list_subshell_request").answer["subshell_id"]
    waiting = kernel.start("gate.wait()\n'through the gate'")
    beside = kernel.done(kernel.start("print('beside'); gate.set()", subshell=subshell))
    assert (beside.answer["status"], beside.stdout) == ("ok", "beside\n")
    assert kernel.done(waiting).result == "'through the gate'"
    assert kernel.control("delete_subshell_request", {"subshell_id": subshell}).answer == {"status": "ok"}
    assert subshell not in kernel.control("list_subshell_request").answer["subshell_id"]


def test_two_subshells_of_their_own(kernel: FrontEnd):
    kernel.run("import threading; meeting = threading.Barrier(3)")
    subshells = [kernel.control("create_subshell_request").answer["subshell_id"] for _ in range(2)]
    meet = "meeting.wait(60); print('met')"
    cells = [kernel.start(meet, subshell=subshell) for subshell in (None, *subshells)]
    assert [kernel.done(cell).stdout for cell in cells] == ["met\n"] * 3
    for subshell in subshells:
        kernel.control("delete_subshell_request", {"subshell_id": subshell})


def test_a_subshell_that_is_not_there_can_not_be_deleted(kernel: FrontEnd):
    answer = kernel.control("delete_subshell_request", {"subshell_id": "no such"}).answer
    assert answer["status"] == "error"


def test_subshells_are_offered(kernel: FrontEnd):
    assert "kernel subshells" in kernel.ask("kernel_info_request").answer["supported_features"]


def test_what_is_here_answers_here_also_over_a_far_subshell(farcell: FrontEnd):
    """JupyterLab has one subshell for all widgets, also for those of cells that run here."""
    farcell.run("%%local\nnamed_here = 1")
    subshell = farcell.control("create_subshell_request").answer["subshell_id"]
    content = {"code": "%%local\nnamed_h", "cursor_pos": 15}
    answer = farcell.done(farcell.send("complete_request", content, subshell=subshell)).answer
    assert "named_here" in answer["matches"]
    farcell.control("delete_subshell_request", {"subshell_id": subshell})
