"""A session in which nothing runs warns and stops by itself, and the notebook is told what that cost it."""

from __future__ import annotations

from far_machine import FarMachine, eventually


def test_an_idle_session_warns_stops_and_starts_anew_with_what_was_lost_named(machine: FarMachine):
    notebook = machine.notebook()
    cell = notebook.run("%%gpu L4 --idle 1s\nweights, rate = [1, 2], 0.1")
    assert not cell.error
    line = cell.of_kind("display_data")[-1]["transient"]["display_id"]

    def is_line(text: str):
        return lambda m: (
            m["msg_type"] == "update_display_data"
            and m["content"]["transient"]["display_id"] == line
            and text in m["content"]["data"]["text/plain"]
        )

    warning = notebook.hear_late(is_line("is idle and stops in"))["content"]["data"]["text/plain"]
    assert "weights, rate" in warning
    assert "%gpu keep" in warning
    last = notebook.hear_late(is_line("ended (idle)"))["content"]["data"]["text/plain"]
    assert last.startswith("l4 on L4 (simulated) ended (idle) · $")
    assert last.endswith("not saved: weights, rate")
    assert machine.session("l4").state.value == "stopped"

    cell = notebook.run("%%gpu\nprint('weights' in globals())")
    assert cell.notes[0] == "session l4 starts anew: it was stopped after 1 s idle; not saved: weights, rate"
    assert cell.stdout == "False\n"


def test_a_kept_session_is_neither_warned_nor_stopped(machine: FarMachine):
    notebook = machine.notebook("kept.ipynb")
    notebook.run("%%gpu L4 -n kept\nx = 1")
    assert notebook.run("%gpu keep 1h").result == "session kept is kept for 1 h"
    notebook.run("%%gpu L4 -n kept --idle 1s\nx = 2")
    eventually(lambda: is_kept(machine))
    assert notebook.run("%gpu keep 0s").result == "session kept may stop when it is idle again"
    eventually(lambda: machine.session("kept").state.value == "stopped")


def is_kept(machine: FarMachine) -> bool:
    """Quiet for longer than its idle time, and nothing counts down."""
    idle = machine.session("kept").idle
    quiet_s = min((signal.quiet_s for signal in idle.signals), default=0.0) if idle else 0.0
    return quiet_s > 3 and idle.stops_in_s is None and not idle.warned


def test_a_busy_session_is_not_idle(machine: FarMachine):
    notebook = machine.notebook()
    cell = notebook.run("%%gpu L4 -n busy --idle 1s\nimport time; time.sleep(3); print('done')")
    assert cell.stdout == "done\n"


def test_a_thread_that_computes_keeps_its_session(machine: FarMachine):
    notebook, computed = machine.notebook(), machine.folder / "computed"
    notebook.run(
        "%%gpu L4 -n thread --idle 2s\nimport threading, time\n"
        "def compute():\n    while time.thread_time() < 5: sum(range(1000))\n"
        f"    open({str(computed)!r}, 'w').close()\n"
        "threading.Thread(target=compute).start()"
    )
    eventually(lambda: machine.session("thread").state.value == "stopped")
    assert computed.exists()
