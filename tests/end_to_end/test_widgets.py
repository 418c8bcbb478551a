"""Widgets of far cells in an ordinary kernel: comms go both ways, in a cell, beside it and between cells."""

from __future__ import annotations

import textwrap

import pytest
from far_machine import FarMachine, eventually
from notebook_driver import Cell, Notebook
from widget_front_end import CONTROL, WidgetFrontEnd, below, model, of_type, said_by

GATE = """
import pathlib, time
gate = pathlib.Path({path!r})
while not gate.exists():
    time.sleep(0.01)
"""
RAW = """
import comm
def heard(message):
    raw.send({'echo': message['content']['data']}, buffers=[bytes(b)[::-1] for b in message['buffers']])
raw = comm.create_comm(target_name='raw', data={'n': 1}, buffers=[b'\\x00\\xff', b'two'])
raw.on_msg(heard)
"""


def far(source: str) -> str:
    return "%%gpu -q\n" + textwrap.dedent(source).strip()


@pytest.fixture(scope="module")
def notebook(machine: FarMachine) -> Notebook:
    notebook = machine.notebook("widgets.ipynb")
    assert not notebook.run("%%gpu cpu -q\nimport ipywidgets as widgets, time, threading").error
    return notebook


@pytest.fixture(scope="module")
def front_end(notebook: Notebook) -> WidgetFrontEnd:
    return WidgetFrontEnd(notebook)


@pytest.fixture(scope="module")
def subshell(front_end: WidgetFrontEnd) -> str:
    return str(front_end.control("create_subshell_request", {})["subshell_id"])


def shown(front_end: WidgetFrontEnd, expression: str) -> str:
    return front_end.notebook.run(far(f"print({expression})")).stdout.strip()


def slider(notebook: Notebook) -> str:
    cell = notebook.run(
        far("""
        slider, moved = widgets.IntSlider(), []
        slider.observe(lambda change: moved.append(change['new']), 'value')
        display(slider)
        """)
    )
    return model(cell, "IntSliderModel")


# --- between cells ---


def test_a_comm_opens_below_its_cell_before_its_view_is_shown(notebook: Notebook):
    running = notebook.start(far("display(widgets.IntSlider())"))
    cell = running.end()
    kinds = [message["msg_type"] for message in cell.messages]
    assert kinds == ["execute_input", "comm_open", "comm_open", "comm_open", "display_data"]
    assert all(below(message, running.msg_id) for message in cell.messages)
    (view,) = cell.of_kind("display_data")
    told = view["data"]["application/vnd.jupyter.widget-view+json"]
    assert told["model_id"] == model(cell, "IntSliderModel")


def test_a_moved_slider_moves_there_and_its_observers_run(notebook: Notebook, front_end: WidgetFrontEnd):
    comm_id = slider(notebook)
    moved = front_end.set(comm_id, value=7)
    echo = front_end.hear(lambda m: said_by(comm_id)(m) and below(m, moved))
    assert echo["content"]["data"]["state"] == {"value": 7}
    assert shown(front_end, "slider.value, moved") == "7 [7]"


def test_a_far_thread_moves_the_slider_here_after_its_cell(
    notebook: Notebook, front_end: WidgetFrontEnd, tmp_path
):
    comm_id = slider(notebook)
    source = "def later():\n" + textwrap.indent(GATE.format(path=str(tmp_path / "gate")), "    ")
    notebook.run(far(source + "\n    slider.value = 9\nthreading.Thread(target=later).start()"))
    (tmp_path / "gate").touch()
    message = front_end.hear(said_by(comm_id))
    assert message["content"]["data"]["state"] == {"value": 9}


def test_messages_and_buffers_go_both_ways_unchanged(notebook: Notebook, front_end: WidgetFrontEnd):
    cell = notebook.run(far(RAW))
    (opened,) = of_type(cell.messages, "comm_open")
    assert opened["content"]["target_name"] == "raw"
    assert opened["content"]["data"] == {"n": 1}
    assert [bytes(buffer) for buffer in opened["buffers"]] == [b"\x00\xff", b"two"]
    comm_id = opened["content"]["comm_id"]
    front_end.say(comm_id, {"text": "schön", "list": [1, None, 2.5]}, buffers=[b"abc", b""])
    answer = front_end.hear(said_by(comm_id))
    assert answer["content"]["data"] == {"echo": {"text": "schön", "list": [1, None, 2.5]}}
    assert [bytes(buffer) for buffer in answer["buffers"]] == [b"cba", b""]


def test_an_anywidget_with_bytes(notebook: Notebook, front_end: WidgetFrontEnd):
    cell = notebook.run(
        far("""
        import anywidget, traitlets
        class Counter(anywidget.AnyWidget):
            _esm = "export default { render() {} }"
            pixels = traitlets.Bytes(b"\\x01\\x02").tag(sync=True, from_json=lambda value, _: bytes(value))
        counter = Counter()
        """)
    )
    comm_id = model(cell, "AnyModel")
    (opened,) = [m for m in of_type(cell.messages, "comm_open") if m["content"]["comm_id"] == comm_id]
    paths = opened["content"]["data"]["buffer_paths"]
    assert [bytes(opened["buffers"][paths.index(["pixels"])])] == [b"\x01\x02"]
    update = {"method": "update", "state": {}, "buffer_paths": [["pixels"]]}
    front_end.hear_idle(front_end.say(comm_id, update, buffers=[b"\x03\x00\xff"]))
    assert shown(front_end, "bytes(counter.pixels)") == r"b'\x03\x00\xff'"


def test_what_an_observer_shows_comes_below_its_message(notebook: Notebook, front_end: WidgetFrontEnd):
    comm_id = slider(notebook)
    notebook.run(far("slider.observe(lambda change: print('seen', change['new']), 'value')"))
    moved = front_end.set(comm_id, value=3)
    printed = front_end.hear(lambda m: m["msg_type"] == "stream" and below(m, moved))
    assert printed["content"]["text"] == "seen 3\n"


def test_a_message_is_over_here_when_it_is_handled_there(notebook: Notebook, front_end: WidgetFrontEnd):
    """Front ends send the next one then. A handler is not waited for longer than a second: a stall may need another."""
    comm_id = slider(notebook)
    notebook.run(far("slider.observe(lambda change: (time.sleep(0.2), print('handled')), 'value')"))
    values = iter(range(1, 100))

    def over_when_handled() -> bool:
        moved = front_end.set(comm_id, value=next(values))
        front_end.hear_idle(moved)
        return any(m["msg_type"] == "stream" and below(m, moved) for m in notebook.late)

    eventually(over_when_handled)


# --- while a cell runs ---


def test_a_slider_moved_while_its_cell_trains_arrives_there(
    notebook: Notebook, front_end: WidgetFrontEnd, subshell: str
):
    comm_id = slider(notebook)
    running = notebook.start(
        far("""
        print('training', flush=True)
        while slider.value != 5:
            time.sleep(0.01)
        print('moved', moved)
        """)
    )
    running.until_prints("training")
    front_end.set(comm_id, value=5, subshell=subshell)
    assert running.end().stdout == "training\nmoved [5]\n"


def test_values_arrive_in_their_order_beside_a_cell(
    notebook: Notebook, front_end: WidgetFrontEnd, subshell: str
):
    comm_id = slider(notebook)
    running = notebook.start(
        far("print('training', flush=True)\nwhile slider.value != 30: time.sleep(0.01)\nprint(moved)")
    )
    running.until_prints("training")
    for value in range(1, 31):
        front_end.set(comm_id, value=value, subshell=subshell)
    assert running.end().stdout == f"training\n{list(range(1, 31))}\n"


def test_what_the_cell_sets_is_seen_here_while_it_runs(notebook: Notebook, tmp_path):
    comm_id = slider(notebook)
    gate = tmp_path / "gate"
    running = notebook.start(far("slider.value = 8\n" + GATE.format(path=str(gate))))
    running.until(lambda cell: any(map(said_by(comm_id), cell.messages)))
    gate.touch()
    assert not running.end().error


def test_a_deleted_subshell_takes_its_far_one_with_it(notebook: Notebook, front_end: WidgetFrontEnd):
    comm_id = slider(notebook)
    subshells = "len([t for t in threading.enumerate() if t.name.startswith('subshell-')])"
    before = int(shown(front_end, subshells))
    own = front_end.control("create_subshell_request", {})["subshell_id"]
    running = notebook.start(far("print('training', flush=True)\nwhile slider.value != 6: time.sleep(0.01)"))
    running.until_prints("training")
    front_end.set(comm_id, value=6, subshell=own)
    running.end()
    assert int(shown(front_end, subshells)) == before + 1
    assert front_end.control("delete_subshell_request", {"subshell_id": own})["status"] == "ok"
    eventually(lambda: int(shown(front_end, subshells)) == before)


# --- Output, interact, and what stands around a cell ---


def test_an_output_widget_takes_what_comes_between_its_two_names(notebook: Notebook):
    running = notebook.start(far("out = widgets.Output()\nwith out: print('inside')\nprint('outside')"))
    cell = running.end()
    comm_id = model(cell, "OutputModel")
    assert named_and_streams(cell, comm_id) == [running.msg_id, "inside\n", "", "outside\n"]


def test_an_output_widget_of_a_second_far_cell_in_a_cell_names_what_the_front_end_knows(notebook: Notebook):
    running = notebook.start(
        textwrap.dedent("""
        run = get_ipython().run_cell_magic
        run('gpu', '-q', 'out = widgets.Output()')
        run('gpu', '-q', 'with out: print("inside")')
        """)
    )
    cell = running.end()
    assert named_and_streams(cell, model(cell, "OutputModel")) == [running.msg_id, "inside\n", ""]


def test_a_local_output_widget_takes_what_a_far_cell_prints(notebook: Notebook):
    source = """
        import ipywidgets
        here = ipywidgets.Output()
        with here: get_ipython().run_cell_magic('gpu', '-q', 'print("far")')
    """
    running = notebook.start(textwrap.dedent(source))
    cell = running.end()
    assert named_and_streams(cell, model(cell, "OutputModel")) == [running.msg_id, "far\n", ""]


def named_and_streams(cell: Cell, comm_id: str) -> list[str]:
    """The ids of which an Output widget takes what comes below them, and the streams, in their order."""
    found = []
    for message in cell.messages:
        content = message["content"]
        if message["msg_type"] == "stream":
            found.append(content["text"])
        elif said_by(comm_id)(message) and "msg_id" in content["data"].get("state", {}):
            found.append(content["data"]["state"]["msg_id"])
    return found


def test_interact_calls_its_function_there(notebook: Notebook, front_end: WidgetFrontEnd):
    cell = notebook.run(far("@widgets.interact(n=(0, 10))\ndef square(n=3): print(n * n)"))
    assert "9\n" in named_and_streams(cell, model(cell, "OutputModel"))
    moved = front_end.set(model(cell, "IntSliderModel"), value=4)
    output = said_by(model(cell, "OutputModel"))
    front_end.hear(lambda m: m["msg_type"] == "stream" and below(m, moved) and "16" in m["content"]["text"])
    front_end.hear(
        lambda m: output(m) and below(m, moved) and m["content"]["data"]["state"] == {"msg_id": ""}
    )
    heard = Cell(messages=[m for m in notebook.late if below(m, moved)])
    assert named_and_streams(heard, model(cell, "OutputModel")) == [moved, "16\n", ""]


def test_capture_takes_the_view_and_the_widget_lives(notebook: Notebook, front_end: WidgetFrontEnd):
    cell = notebook.run("%%capture taken\n%%gpu -q\nkept = widgets.IntSlider()\ndisplay(kept)")
    assert not cell.outputs
    front_end.hear_idle(front_end.set(model(cell, "IntSliderModel"), value=2))
    assert shown(front_end, "kept.value") == "2"
    view = "application/vnd.jupyter.widget-view+json"
    assert view in notebook.run("taken.show()").of_kind("display_data")[0]["data"]


# --- which comms there are ---


def test_comm_info_lists_far_comms_beside_local_ones(notebook: Notebook, front_end: WidgetFrontEnd):
    there = slider(notebook)
    here = model(notebook.run("import ipywidgets; near = ipywidgets.IntSlider()"), "IntSliderModel")
    notebook.run(far(RAW))
    assert {there, here} <= set(front_end.open_comms("jupyter.widget"))
    assert {facts["target_name"] for facts in front_end.open_comms("raw").values()} == {"raw"}


def test_a_closed_comm_is_closed_on_the_other_side(notebook: Notebook, front_end: WidgetFrontEnd):
    comm_id = slider(notebook)
    closing = notebook.run(far("slider.close()"))
    assert any(map(said_by(comm_id, "comm_close"), closing.messages))
    assert comm_id not in front_end.open_comms()

    comm_id = slider(notebook)
    front_end.send("comm_close", {"comm_id": comm_id, "data": {}})
    assert comm_id not in front_end.open_comms()
    assert shown(front_end, "slider.comm is None or slider.comm._closed") == "True"


def test_a_front_end_opens_a_comm_for_a_target_that_only_the_far_kernel_knows(
    notebook: Notebook, front_end: WidgetFrontEnd
):
    notebook.run(
        far("""
        import comm
        def opened(one, message):
            one.on_msg(lambda m: one.send({'got': m['content']['data']}))
            one.send({'opened': message['content']['data']})
        comm.get_comm_manager().register_target('far-target', opened)
        """)
    )
    content = {"comm_id": "from-here", "target_name": "far-target", "data": {"x": 1}}
    front_end.send("comm_open", content)
    front_end.say("from-here", {"y": 2})
    front_end.hear(lambda m: said_by("from-here")(m) and m["content"]["data"] == {"opened": {"x": 1}})
    front_end.hear(lambda m: said_by("from-here")(m) and m["content"]["data"] == {"got": {"y": 2}})


def test_after_a_reload_the_states_of_all_widgets_come_in_one_answer(
    notebook: Notebook, front_end: WidgetFrontEnd
):
    there = slider(notebook)
    pixels = model(notebook.run(far("picture = widgets.Image(value=b'far')")), "ImageModel")
    local = notebook.run("import ipywidgets; near = ipywidgets.Image(value=b'near')")
    here = model(local, "ImageModel")
    states = {"method": "request_states"}
    front_end.send("comm_open", CONTROL | {"comm_id": "control"}, metadata={"version": "1.0.0"})
    asked = front_end.say("control", states)
    answer = front_end.hear(lambda m: said_by("control")(m) and below(m, asked))
    data = answer["content"]["data"]
    assert data["method"] == "update_states"
    assert data["states"][there]["model_name"] == "IntSliderModel"
    buffers = {
        path[0]: bytes(buffer) for path, buffer in zip(data["buffer_paths"], answer["buffers"], strict=True)
    }
    assert (buffers[pixels], buffers[here]) == (b"far", b"near")
    front_end.send("comm_close", {"comm_id": "control", "data": {}})
    assert "control" not in front_end.open_comms()


def test_after_a_reload_beside_a_running_cell_the_states_come_too(
    notebook: Notebook, front_end: WidgetFrontEnd, subshell: str, tmp_path
):
    there = slider(notebook)
    gate = tmp_path / "gate"
    running = notebook.start(far("print('training', flush=True)\n" + GATE.format(path=str(gate))))
    running.until_prints("training")
    content = CONTROL | {"comm_id": "beside"}
    front_end.send("comm_open", content, metadata={"version": "1.0.0"}, subshell=subshell)
    front_end.say("beside", {"method": "request_states"}, subshell=subshell)
    answer = front_end.hear(said_by("beside"))
    assert there in answer["content"]["data"]["states"]
    gate.touch()
    running.end()


# --- ends ---


def test_a_new_kernel_of_the_notebook_knows_the_widgets_that_are_there(
    machine: FarMachine, notebook: Notebook
):
    comm_id = slider(notebook)
    second = machine.notebook("widgets.ipynb")
    assert not second.run("%%gpu cpu -q\npass").error
    front_end = WidgetFrontEnd(second)
    eventually(lambda: comm_id in front_end.open_comms())
    front_end.hear_idle(front_end.set(comm_id, value=1))
    assert shown(front_end, "slider.value") == "1"
    second.close()


@pytest.mark.parametrize("end", ["%gpu restart", "%gpu stop", "%unload_ext farcell"])
def test_comms_are_closed_here_when_what_they_live_in_ends(machine: FarMachine, end: str):
    notebook = machine.notebook()
    front_end = WidgetFrontEnd(notebook)
    cell = notebook.run("%%gpu cpu -q\nimport ipywidgets as widgets; display(widgets.IntSlider())")
    comm_id = model(cell, "IntSliderModel")
    ending = notebook.run(end)
    closed = said_by(comm_id, "comm_close")
    assert any(map(closed, ending.messages)) or front_end.hear(closed)
    assert comm_id not in front_end.open_comms()
    notebook.close()
