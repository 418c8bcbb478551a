"""Which cells run, told from messages as they pass."""

from __future__ import annotations

import pytest
from far_messages import about, question, reply, request, status, stream
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.agent.cells import CellTracker, execute_request_id, input_reply_id
from farcell.remote_runtime.wire.control import Cell
from farcell.remote_runtime.wire.messages import KernelMessage


def echo(execute_id: str, count: int = 1) -> KernelMessage:
    return about(execute_id, "execute_input", {"code": "", "execution_count": count})


def error(execute_id: str) -> KernelMessage:
    return about(execute_id, "error", {"ename": "E", "evalue": "", "traceback": []})


def answer() -> KernelMessage:
    return about("q", "input_reply", {"value": ""}, "stdin")


@pytest.fixture
def cells() -> CellTracker:
    return CellTracker()


def told(cells: CellTracker, *messages: KernelMessage) -> list[Cell]:
    """What comes of these messages of the kernel, one every 10 ms."""
    found = (cells.from_kernel(message, 10 * number) for number, message in enumerate(messages, 1))
    return [cell for cell in found if cell is not None]


def test_a_cell_begins_when_the_kernel_is_busy_with_it_and_ends_when_that_rests(cells):
    cells.to_kernel(request("a", number=7))
    assert cells.running == 1
    seen = told(cells, status("a", "busy"), echo("a"), stream("a", "x"), reply("a"), status("a", "idle"))
    assert seen == [Cell("a", 7, 10), Cell("a", 7, 10, 50, "ok")]
    assert cells.running == 0


def test_without_a_notebooks_number_the_cell_has_the_kernels(cells):
    cells.to_kernel(request("a"))
    seen = told(cells, status("a", "busy"), echo("a", 3), status("a", "idle"))
    assert [cell.number for cell in seen] == [None, 3]


def test_a_cell_that_raised_ends_with_an_error(cells):
    cells.to_kernel(request("a"))
    *_, last = told(cells, status("a", "busy"), echo("a"), error("a"), status("a", "idle"))
    assert last.status == "error"


def test_a_cell_that_the_kernel_did_not_run_ends_as_aborted(cells):
    """After an error the kernel answers those that wait behind it, and runs none of them."""
    cells.to_kernel(request("a"))
    *_, last = told(cells, status("a", "busy"), reply("a", "aborted"), status("a", "idle"))
    assert last.status == "aborted"


def test_cells_that_wait_in_the_kernels_queue_count_and_have_not_begun(cells):
    cells.to_kernel(request("a"))
    cells.to_kernel(request("b"))
    assert told(cells, status("a", "busy"), status("a", "idle"))[0].execute_id == "a"
    assert cells.running == 1
    assert [cell.started_ms for cell in told(cells, stream("a", "late"), status("b", "busy"))] == [20]


@pytest.mark.parametrize("content", [{"silent": True}, {"store_history": False}])
def test_what_is_in_no_history_is_no_cell(cells, content):
    cells.to_kernel(request("a", **content))
    assert cells.running == 0
    assert told(cells, status("a", "busy"), status("a", "idle")) == []


def test_other_requests_are_no_cells(cells):
    cells.to_kernel(about(None, "complete_request", {}, "shell"))
    assert cells.running == 0


def test_messages_about_cells_that_nobody_sent_here_are_passed_by(cells):
    cells.to_kernel(request("a"))
    assert told(cells, status("b", "busy"), status("b", "idle"), status(None, "starting")) == []
    assert cells.running == 1


def test_a_cell_waits_for_input_from_its_question_to_the_answer(cells):
    cells.to_kernel(request("a"))
    told(cells, status("a", "busy"), question("a"))
    assert cells.waits_for_input
    cells.to_kernel(answer())
    assert not cells.waits_for_input


def test_a_cell_that_was_interrupted_at_its_question_waits_no_more(cells):
    """It may catch that, and go on for hours."""
    cells.to_kernel(request("a"))
    told(cells, status("a", "busy"), question("a"))
    cells.interrupted()
    assert not cells.waits_for_input
    assert cells.running == 1


def test_a_question_ends_with_its_cell(cells):
    cells.to_kernel(request("a"))
    told(cells, status("a", "busy"), question("a"), status("a", "idle"))
    assert not cells.waits_for_input


def test_a_kernels_death_ends_what_ran_and_forgets_what_waited(cells):
    cells.to_kernel(request("a", number=1))
    cells.to_kernel(request("b", number=2))
    told(cells, status("a", "busy"), echo("a"))
    assert cells.end_all(99, "lost") == [Cell("a", 1, 10, 99, "lost")]
    assert cells.running == 0
    assert cells.end_all(100, "lost") == []


def test_the_peaks_are_of_the_samples_while_the_cell_ran(cells):
    cells.observe_use(9, 9, 0.9)
    cells.to_kernel(request("a"))
    told(cells, status("a", "busy"))
    cells.observe_use(3, 1, 0.5)
    cells.observe_use(2, 5, 0.1)
    (ended,) = told(cells, status("a", "idle"))
    assert (ended.peak_memory_bytes, ended.peak_gpu_memory_bytes, ended.peak_gpu_utilisation) == (3, 5, 0.5)


GARBAGE = [b"", b"{", b"[]", b"null", b'{"msg_id": 1}', b"\xff", b'{"a":' * 100_000]


@pytest.mark.parametrize("bad", GARBAGE, ids=lambda text: repr(text[:8]))
def test_what_cannot_be_read_is_no_cell_and_ends_none(cells, bad):
    cells.to_kernel(request("a"))
    good = request("b")
    busy = status("a", "busy")
    cells.to_kernel(KernelMessage("shell", bad))
    cells.to_kernel(KernelMessage("shell", good.header, b"{}", b"{}", bad))
    assert cells.from_kernel(KernelMessage("iopub", bad, busy.parent_header), 1) is None
    assert cells.from_kernel(KernelMessage("iopub", busy.header, bad), 1) is None
    assert cells.from_kernel(KernelMessage("iopub", busy.header, busy.parent_header, b"{}", bad), 1) is None
    assert "a" in [cell.execute_id for cell in told(cells, busy, status("a", "idle"))]


def test_metadata_that_cannot_be_read_costs_only_the_number(cells):
    made = request("a")
    cells.to_kernel(KernelMessage("shell", made.header, b"{}", b'{"farcell": {"number": "x"}}', made.content))
    assert [cell.number for cell in told(cells, status("a", "busy"))] == [None]


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_of_a_users_do_harm(header, content):
    cells = CellTracker()
    message = KernelMessage("shell", header, header, content, content)
    cells.to_kernel(message)
    cells.from_kernel(message, 1)
    execute_request_id(message)


def test_the_execute_id_is_that_of_a_request_on_the_shell_channel():
    made = request("a")
    assert execute_request_id(made) == "a"
    assert execute_request_id(KernelMessage("control", made.header)) is None
    assert execute_request_id(about(None, "complete_request", {}, "shell")) is None
    assert execute_request_id(KernelMessage("shell", b"{")) is None


def test_a_request_without_an_id_has_no_execute_id():
    """Else the second of them would be taken for the first."""
    assert execute_request_id(KernelMessage("shell", b'{"msg_type": "execute_request"}')) is None


def test_an_answer_is_known_by_its_own_id():
    made = answer()
    assert input_reply_id(made) is not None
    assert input_reply_id(KernelMessage("shell", made.header)) is None
    assert input_reply_id(question("a")) is None
