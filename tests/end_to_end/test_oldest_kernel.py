"""The oldest ipykernel and IPython that Farcell works with, in an environment of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Require
from far_machine import FarMachine, eventually
from layout import ROOT
from notebook_driver import Notebook
from widget_front_end import WidgetFrontEnd, below, of_type, said_by

pytestmark = pytest.mark.slow

UV = Path(sys.executable).with_name("uv")
OLDEST = ("ipykernel==6.29.*", "ipython==8.18.*")
NOT_SOURCES = shutil.ignore_patterns(
    ".*", "build", "dist", "node_modules", "*.egg-info", "__pycache__", "tests"
)


def uv(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FARCELL_SKIP_FRONTEND": "1"}
    return subprocess.run(
        [UV, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def python(tmp_path_factory, require: Require) -> Path:
    """The interpreter of an environment with the oldest versions, and Farcell as its users install it."""
    folder = tmp_path_factory.mktemp("oldest")
    source = shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCES)
    assert uv("venv", "--quiet", "--python", sys.executable, folder / "venv").returncode == 0
    python = folder / "venv" / "bin" / "python"
    reached = uv("pip", "install", "--quiet", "--system-certs", "--python", python, *OLDEST)
    require("PyPI", f"has the oldest versions: {reached.stderr}", found=reached.returncode == 0)
    installed = uv("pip", "install", "--quiet", "--system-certs", "--python", python, *OLDEST, source)
    assert installed.returncode == 0, installed.stderr
    return python


@pytest.fixture(scope="module")
def old(machine: FarMachine, python: Path) -> Notebook:
    notebook = machine.notebook(python=python)
    assert notebook.value("__import__('IPython').__version__[:4]") == "'8.18'"
    assert not notebook.run("%%gpu cpu\nimport os").error
    return notebook


def test_the_far_kernel_is_as_old(old: Notebook):
    assert old.run("%%gpu\nimport ipykernel; print(ipykernel.__version__[:4])").stdout == "6.29\n"


def test_a_job_needs_a_newer_ipykernel(old: Notebook):
    assert old.run("%%gpu --bg\npass").error == (
        "BadRequest: the session's ipykernel is older than 7 and runs one cell at a time: leave out --bg"
    )
    assert old.run("%gpu jobs").result == "no jobs yet: %%gpu --bg makes one of its cell"


def test_output_results_and_numbers(machine: FarMachine, old: Notebook):
    cell = old.run("%%gpu\nprint('out'); display('shown'); {'a': 1}")
    (result,) = cell.of_kind("execute_result")
    assert (cell.stdout, cell.result) == ("out\n", "{'a': 1}")
    assert result["execution_count"] == cell.number
    assert f"cell [{cell.number}]" in old.run("%gpu bill").result


def test_an_error_is_shown_once_with_the_number_that_the_reader_sees(old: Notebook):
    cell = old.run("%%gpu\n1 / 0")
    assert cell.error == "ZeroDivisionError: division by zero"
    assert f"In[{cell.number}]" in cell.traceback
    assert "run_cell_magic" not in cell.traceback


def test_a_refused_request_is_one_sentence(old: Notebook):
    cell = old.run("%%gpu H10\npass")
    assert cell.traceback == cell.error
    assert cell.error.startswith("UnknownGpu: ")


def test_an_interrupt_reaches_the_far_cell(old: Notebook):
    running = old.start("%%gpu\nprint('begun', flush=True)\nimport time; time.sleep(600)")
    assert running.until_prints("begun").interrupt().end().error.startswith("KeyboardInterrupt")


def test_input_is_asked_and_answered(old: Notebook):
    assert old.start("%%gpu\nprint(input('? '))").answer("? ", "yes").end().stdout == "yes\n"


def test_capture_takes_what_a_far_cell_prints(old: Notebook):
    assert not old.run("%%capture taken\n%%gpu -q\nprint('out')").outputs
    assert old.value("taken.stdout") == r"'out\n'"


def test_a_comm_goes_both_ways(old: Notebook):
    opened = old.run(
        "%%gpu -q\nimport comm\nraw = comm.create_comm(target_name='raw', data={}, buffers=[b'a'])\n"
        "raw.on_msg(lambda m: raw.send({'got': m['content']['data']}, buffers=[bytes(b) for b in m['buffers']]))"
    )
    (message,) = of_type(opened.messages, "comm_open")
    comm_id = message["content"]["comm_id"]
    front_end = WidgetFrontEnd(old)
    assert comm_id in front_end.open_comms("raw")
    sent = front_end.say(comm_id, {"x": 1}, buffers=[b"\x00b"])
    answer = front_end.hear(said_by(comm_id))
    assert (answer["content"]["data"], answer["buffers"]) == ({"got": {"x": 1}}, [b"\x00b"])
    assert below(answer, sent)


def test_tab_asks_the_far_kernel(old: Notebook):
    assert not old.run("%%gpu -q\n%config IPCompleter.use_jedi = False\nfar_name = 1").error
    front_end = WidgetFrontEnd(old)
    eventually(lambda: front_end.complete("%%gpu\nfar_na|")["matches"] == ["far_name"])


def test_a_kernels_own_session_ends_with_it(machine: FarMachine, old: Notebook):
    old.close()
    assert machine.session("cpu").state.value == "stopped"
