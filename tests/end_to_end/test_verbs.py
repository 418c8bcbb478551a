"""What ``%gpu`` and its verbs answer."""

from __future__ import annotations

import re

from far_machine import FarMachine
from notebook_driver import Notebook


def rows(text: str) -> list[list[str]]:
    """The cells of a table's rows, without its head; columns are two spaces apart."""
    return [re.split(r"\s{2,}", line) for line in text.splitlines()[2:]]


def test_offers_lists_what_can_be_had_marked_where_it_is_simulated(notebook: Notebook):
    listed = {row[0]: row[1] for row in rows(notebook.run("%gpu offers").result)}
    assert listed["H100 (simulated)"] == "2 of 2"
    assert listed["T4 (simulated)"] == "1 of 1"


def test_tables_come_as_html_too(notebook: Notebook):
    (result,) = notebook.run("%gpu offers").of_kind("execute_result")
    assert "<table>" in result["data"]["text/html"]


def test_status_is_this_notebooks_sessions_and_the_bare_magics_meaning(
    machine: FarMachine, notebook: Notebook
):
    machine.notebook("other.ipynb").run("%%gpu L4 -n others\npass")
    status = notebook.run("%gpu status").result
    assert rows(status)[0][0] == "cpu"
    assert "others" not in status
    assert "cpu: cell " in status
    assert rows(notebook.run("%gpu").result)[0][0] == "cpu"


def test_sessions_are_all_of_the_users_with_their_notebooks(machine: FarMachine, notebook: Notebook):
    machine.notebook("far/away.ipynb").run("%%gpu L4 -n away\npass")
    listed = notebook.run("%gpu sessions").result
    assert "far/away.ipynb" in listed
    assert any(row[0] == "cpu" for row in rows(listed))


def test_restart_gives_a_fresh_kernel_in_the_same_container(machine: FarMachine, notebook: Notebook):
    notebook.run("%%gpu\nx = 1; open('kept', 'w').close()")
    lease = machine.session("cpu").lease_id
    said = notebook.run("%gpu restart").result
    assert said == "session cpu has a fresh kernel: variables are gone, files are there"
    cell = notebook.run("%%gpu\nimport os; print('x' in globals(), os.path.exists('kept'))")
    assert cell.stdout == "False True\n"
    assert machine.session("cpu").lease_id == lease


def test_logs_are_what_agent_and_kernel_wrote(notebook: Notebook):
    notebook.run("%%gpu\nimport os; os.system('echo into-the-log >&2')")
    assert notebook.run("%gpu logs").result


def test_help_lists_every_verb(notebook: Notebook):
    text = notebook.run("%gpu help").result
    for verb in ("status", "sessions", "offers", "use", "restart", "stop", "keep", "bill", "logs", "help"):
        assert f"%gpu {verb}" in text


def test_bill_adds_up_and_has_the_cells_numbers(machine: FarMachine, notebook: Notebook):
    number = notebook.run("%%gpu\nsum(range(10**6))").number
    text = notebook.run("%gpu bill").result
    assert f"cell [{number}]" in text
    assert re.search(r"^this notebook: \$[\d.]+$", text, re.MULTILINE)
    bill = machine.get("/farcell/v1/bill")
    real = sum(line["cost_nanos"] for line in bill["lines"] if not line["simulated"])
    assert real == bill["total_nanos"]


def test_stop_ends_the_session_and_names_what_is_lost(machine: FarMachine, notebook: Notebook):
    notebook.run("%%gpu cpu\nweights = 1")
    said = notebook.run("%gpu stop").result
    assert said.startswith("cpu on cpu ended (stopped) · $")
    assert "weights" in said
    assert machine.session("cpu").state.value == "stopped"
    assert notebook.run("%%gpu\nprint('weights' in globals())").stdout == "False\n"


def test_stop_all_ends_every_session(machine: FarMachine, notebook: Notebook):
    notebook.run("%%gpu H100 -n one\npass")
    notebook.run("%%gpu cpu\npass")
    said = notebook.run("%gpu stop --all").result
    assert "one on H100 (simulated) ended" in said
    assert all(session.state.value in ("stopped", "lost") for session in machine.sessions())
    assert notebook.run("%gpu stop --all").result == "nothing runs"


# --- mistakes ---


def test_an_unknown_verb_is_told_the_verbs(notebook: Notebook):
    cell = notebook.run("%gpu frobnicate")
    assert cell.error.startswith(
        "BadRequest: there is no '%gpu frobnicate'; there are: status, sessions, offers"
    )
    assert cell.traceback == cell.error


def test_an_unknown_session_is_told_those_that_there_are(notebook: Notebook):
    notebook.run("%%gpu cpu\npass")
    cell = notebook.run("%gpu stop nonesuch")
    assert cell.error.startswith("SessionNotFound: this notebook has no session 'nonesuch'; it has: ")
    assert "cpu" in cell.error


def test_two_names_are_one_too_many(notebook: Notebook):
    assert notebook.run("%gpu stop a b").error == "BadRequest: %gpu stop takes one name at most, not a b"


def test_keep_takes_a_duration(notebook: Notebook):
    notebook.run("%%gpu cpu\npass")
    assert notebook.run("%gpu keep soon").error.startswith("BadRequest: 'soon' is not a duration")
    assert notebook.run("%gpu keep 100h").error.startswith("BadRequest: keep takes 0 to 86400 seconds")
