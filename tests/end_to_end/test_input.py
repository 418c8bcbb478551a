"""``input()`` and ``getpass()`` of a far cell are asked and answered in the notebook."""

from __future__ import annotations

import nbformat
import pytest
from far_machine import FarMachine
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from notebook_driver import Notebook


def test_input_is_asked_here_and_answered_there(notebook: Notebook):
    running = notebook.start("%%gpu\nname = input('Your name? ')\nprint('Hello', name)")
    cell = running.answer("Your name? ", "Ada").end()
    assert notebook.asked["password"] is False
    assert cell.stdout == "Hello Ada\n"


def test_getpass_is_asked_without_an_echo(notebook: Notebook):
    running = notebook.start("%%gpu\nfrom getpass import getpass\nprint(len(getpass('Token: ')))")
    cell = running.answer("Token: ", "secret").end()
    assert notebook.asked["password"] is True
    assert cell.stdout == "6\n"


def test_a_cell_may_ask_more_than_once(notebook: Notebook):
    running = notebook.start("%%gpu\nprint([input('a'), input('b')])")
    assert running.answer("a", "1").answer("b", "2").end().stdout == "['1', '2']\n"


def test_an_interrupted_question_is_a_keyboard_interrupt_there_and_state_stays(notebook: Notebook):
    notebook.run("%%gpu\nkept = 1")
    running = notebook.start("%%gpu\ninput('never answered')")
    assert notebook.client.get_stdin_msg(timeout=60)["content"]["prompt"] == "never answered"
    cell = running.interrupt().end()
    assert cell.error.startswith("KeyboardInterrupt")
    assert notebook.run("%%gpu\nprint(kept)").stdout == "1\n"


def test_a_front_end_that_takes_no_input_gets_a_clear_error(notebook: Notebook):
    cell = notebook.run("%%gpu\ninput('?')", stdin=False)
    assert cell.error.startswith("StdinNotImplementedError: raw_input was called, but this frontend does not")
    assert notebook.run("%%gpu\nprint('alive')").stdout == "alive\n"


def test_input_under_nbclient_fails_and_does_not_hang(machine: FarMachine):
    cells = ["%load_ext farcell", "%%gpu cpu\ninput('?')", "print('not reached')"]
    document = new_notebook(cells=[new_code_cell(source) for source in cells])
    client = NotebookClient(document, timeout=60, kernel_name="python3")
    with pytest.raises(CellExecutionError, match="StdinNotImplementedError"):
        client.execute(env=machine.environment)
    nbformat.validate(document)
    assert not document.cells[2].outputs
