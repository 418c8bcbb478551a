"""``farcell run`` with an ordinary kernel: what is run, kept, told and answered, without any gateway.

On a GPU: ``end_to_end/test_run.py``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from farcell_command import PROGRAM, WAIT_S, Answer, Person
from nbformat import NotebookNode


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the notebooks are, and the commands are typed."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def write(path: Path, *sources: str | tuple[str, str], **metadata: Any) -> Path:
    """A notebook of sources, or of sources and tags."""
    notebook = nbformat.v4.new_notebook(metadata=metadata)
    for source in sources:
        text, *tags = [source] if isinstance(source, str) else source
        notebook.cells.append(nbformat.v4.new_code_cell(text, metadata={"tags": tags}))
    nbformat.write(notebook, path)
    return path


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def text(cell: NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.fixture
def run(person: Person, folder: Path):
    """In a process of its own, with this Python's ordinary kernel."""

    def run(*words: str) -> Answer:
        return person.farcell("run", *words, "-k", "python3")

    return run


# --- what is typed wrongly ---


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "usage: farcell run NOTEBOOK [options]"),
        (["missing.ipynb"], "there is no notebook missing.ipynb"),
        (["text.ipynb"], "text.ipynb is no notebook: it is not JSON"),
        (["a.ipynb", "-p", "epochs"], "'epochs' is no parameter: write name=value"),
        (["a.ipynb", "--timeout", "soon"], "'soon' is not a duration: "),
        (["a.ipynb", "--idle", "soon"], "'soon' is not a duration: "),
        (["a.ipynb", "--gpu", "H100:0"], "'H100:0': the count is a number from 1 to 64"),
        (["a.ipynb", "-k", "pyhton3"], "there is no kernel 'pyhton3'; did you mean 'python3'?"),
        (
            ["a.ipynb", "-k", "python3", "--gpu", "H100"],
            "a kernel that is installed (-k) has a --gpu, an --idle",
        ),
        (["a.ipynb", "-k", "python3", "-o", "."], "the notebook can't be written to .: it is no file"),
        (
            ["a.ipynb", "-k", "python3", "-o", "no/b.ipynb"],
            "the notebook can't be written to no/b.ipynb: No such",
        ),
        (["a.ipynb", "--nonsense"], "there is no option --nonsense"),
        (["r.ipynb", "--gpu", "H100"], "its cells are written in R, and Farcell's kernels run Python: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_typed_wrongly_runs_nothing(typed, folder: Path, words: list[str], sentence: str):
    write(folder / "a.ipynb", "1")
    write(folder / "r.ipynb", "1", kernelspec={"name": "ir", "language": "R", "display_name": "R"})
    (folder / "text.ipynb").write_text("print(1)")
    answer = typed("run", *words)
    assert answer.exit_code == 2
    assert answer.sentence.startswith(sentence)
    assert not list(folder.glob("*.out.ipynb"))


# --- a run ---


def test_a_run_keeps_the_outputs_beside_the_notebook_and_tells_of_each_cell(
    run, folder: Path, person: Person
):
    source = write(folder / "a.ipynb", "x = 2\nprint('on the way')", "", ("x / 0", "skip-execution"), "x + 1")
    before = source.read_bytes()
    answer = run("a.ipynb")
    assert answer.exit_code == 0, answer
    lines = answer.out.splitlines()
    assert lines[0] == "a.ipynb with Python 3 (ipykernel), kept in a.out.ipynb"
    assert [line for line in lines[1:] if "took" not in line] == [
        "[1/2] x = 2",
        "  │ on the way",
        "[2/2] x + 1",
        "  │ 3",
    ]
    assert answer.err == ""
    assert source.read_bytes() == before
    kept = read(folder / "a.out.ipynb")
    assert [cell.execution_count for cell in kept.cells] == [1, None, None, 2]
    assert kept.cells[3].outputs[0].data["text/plain"] == "3"
    assert kept.metadata.language_info.name == "python"
    assert not list(person.folder.glob("gateway*"))  # none was needed, and none was started


def test_parameters_are_set_behind_their_defaults(run, folder: Path):
    write(folder / "a.ipynb", ("rate = 0.1\nname = 'a'", "parameters"), "print(rate, name, extra)")
    answer = run("a.ipynb", "-p", "rate=1e-3", "--parameter", "extra=[1]", "-o", "b.ipynb")
    assert answer.err == "the cell tagged 'parameters' sets no extra\n"
    kept = read(folder / "b.ipynb")
    assert text(kept.cells[2]) == "0.001 a [1]\n"
    assert kept.cells[1].metadata.tags == ["injected-parameters"]
    assert run("b.ipynb", "-o", "b.ipynb", "-p", "rate=2", "-p", "extra=3").exit_code == 0
    kept = read(folder / "b.ipynb")
    assert [text(cell) for cell in kept.cells] == ["", "", "2 a 3\n"]


def test_a_kernel_starts_in_its_notebooks_folder_as_the_runs_own(run, folder: Path):
    (folder / "deep").mkdir()
    write(
        folder / "deep" / "a.ipynb",
        "import os\nprint(os.getcwd())",
        "from farcell.remote_runtime import config\nprint(config.run_name())",
        "print(os.environ.get('JPY_SESSION_NAME'), input is None)",
        "import subprocess, sys\n"
        "code = 'from farcell.remote_runtime import config; print(config.run_name())'\n"
        "environment = {**os.environ, 'JPY_PARENT_PID': str(os.getpid())}\n"  # as jupyter_client starts a kernel
        "print(subprocess.check_output([sys.executable, '-c', code], env=environment, text=True))",
    )
    os.environ["JPY_SESSION_NAME"] = "of-a-terminal.ipynb"
    try:
        assert run("deep/a.ipynb").exit_code == 0
    finally:
        del os.environ["JPY_SESSION_NAME"]
    where, name, session, nested = (text(cell).strip() for cell in read(folder / "deep/a.out.ipynb").cells)
    assert where == str(folder / "deep")
    assert name.startswith("a.ipynb (run ")
    assert session == "None False"
    assert nested == "None"


# --- failures ---


def test_a_cell_that_fails_ends_the_run_and_what_there_is_is_kept(run, folder: Path):
    write(folder / "a.ipynb", ("1 / 0", "raises-exception"), "print('before')", "{}['key']", "print('never')")
    answer = run("a.ipynb")
    assert answer.exit_code == 1
    assert answer.sentence == "cell 3 of 4 raised KeyError: 'key'"
    assert "  │ KeyError: 'key'" in answer.out.splitlines()
    kept = read(folder / "a.out.ipynb")
    assert [[output.output_type for output in cell.outputs] for cell in kept.cells] == [
        ["error"],
        ["stream"],
        ["error"],
        [],
    ]


def test_the_notebook_is_kept_after_every_cell(run, folder: Path):
    look = "import json\nprint([len(cell['outputs']) for cell in json.load(open('a.out.ipynb'))['cells']])"
    write(folder / "a.ipynb", "print(1)", look, look)
    assert run("a.ipynb").exit_code == 0
    assert [text(cell) for cell in read(folder / "a.out.ipynb").cells[1:]] == ["[1, 0, 0]\n", "[1, 1, 0]\n"]


def test_outputs_of_an_earlier_run_are_not_left_behind_a_failure(run, folder: Path):
    write(folder / "a.ipynb", "import os\nassert os.path.exists('flag')", "print('second')")
    (folder / "flag").touch()
    assert run("a.ipynb", "-o", "a.ipynb").exit_code == 0
    (folder / "flag").unlink()
    assert run("a.ipynb", "-o", "a.ipynb").exit_code == 1
    assert not read(folder / "a.ipynb").cells[1].outputs


def test_a_cell_that_runs_too_long_is_interrupted_and_fails(run, folder: Path):
    write(folder / "a.ipynb", "print('begun')\nimport time\nwhile True: time.sleep(0.1)", "print('never')")
    answer = run("a.ipynb", "--timeout", "1s")
    assert answer.exit_code == 1
    assert answer.sentence == "cell 1 of 2 ran longer than 1 s and was interrupted"
    kept = read(folder / "a.out.ipynb")
    assert [output.output_type for output in kept.cells[0].outputs] == ["stream", "error"]


def test_a_kernel_that_dies_is_told_with_its_last_words(run, folder: Path):
    write(folder / "a.ipynb", "import os\nos.write(2, b'out of memory\\n')\nos._exit(9)", "print('never')")
    answer = run("a.ipynb")
    assert answer.exit_code == 1
    assert answer.err.startswith("farcell: cell 1 of 2 was the last: the kernel died\n")
    assert answer.err.endswith("out of memory\n")


def test_a_kernel_that_does_not_start_is_told_with_its_last_words(person: Person, folder: Path):
    spec = folder.parent / "jupyter" / "kernels" / "broken"
    spec.mkdir(parents=True)
    argv = ["sh", "-c", "echo no such module >&2; exit 1", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Broken", "language": "python"})
    )
    write(folder / "a.ipynb", "1")
    answer = person.farcell("run", "a.ipynb", "-k", "broken")
    assert answer.exit_code == 1
    assert answer.err.startswith("farcell: the kernel did not start: ")
    assert answer.err.endswith("\nno such module\n")
    assert not (folder / "a.out.ipynb").exists()


# --- interrupts ---


@pytest.fixture
def begun(person: Person, folder: Path) -> Iterator[Any]:
    """``farcell run`` of a cell that never ends, once that has begun."""
    started: list[subprocess.Popen[str]] = []

    def begin(cell: str) -> subprocess.Popen[str]:
        write(folder / "a.ipynb", "print('first')", cell, "print('never')")
        os.mkfifo(folder / "begun")
        process = subprocess.Popen(
            [PROGRAM, "run", "a.ipynb", "-k", "python3"],
            env=person.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        wait_until_told(folder)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until_told(folder: Path) -> None:
    """Returns when the cell has opened and closed the other end of the pipe."""
    descriptor = os.open(folder / "begun", os.O_RDONLY | os.O_NONBLOCK)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLHUP)
        assert poll.poll(WAIT_S * 1000), "the cell said nothing"
    finally:
        os.close(descriptor)


SLEEPING = "open('begun', 'w').close()\nimport time\nwhile True: time.sleep(0.1)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_the_cell_and_keeps_what_there_is(begun, folder: Path, number: int):
    process = begun(SLEEPING)
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 128 + number
    assert err == "farcell: interrupted; what ran for it is ended\n"
    assert "KeyboardInterrupt" in out
    kept = read(folder / "a.out.ipynb")
    assert [[output.output_type for output in cell.outputs] for cell in kept.cells] == [
        ["stream"],
        ["error"],
        [],
    ]


def test_a_second_signal_waits_for_nothing(begun, folder: Path):
    deaf = (
        "import time\ntold = False\nwhile True:\n    try:\n"
        "        if not told: open('begun', 'w').close()\n"
        "        told = True\n        time.sleep(60)\n"
        "    except KeyboardInterrupt: told = False"
    )
    process = begun(deaf)
    process.send_signal(signal.SIGINT)
    wait_until_told(folder)  # the cell has taken the first one, and goes on
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert err == "farcell: interrupted; what ran for it is ended\n"
    assert text(read(folder / "a.out.ipynb").cells[0]) == "first\n"
