"""Which notebook a kernel runs, and the header under which a far cell goes out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from farcell.kernel.notebook import Notebook
from farcell.remote_runtime.api import SessionKey


def shell(connection_file: str | None = "/run/kernel-1.json", code: str = "%%gpu\npass", **user: Any) -> Any:
    """As much of a shell as a notebook looks at; without a connection file, a plain terminal's."""
    request = {"header": {"msg_id": "m1", "session": "s"}, "content": {"code": code}}
    kernel = SimpleNamespace(
        parent=SimpleNamespace(connection_file=connection_file), get_parent=lambda _channel: request
    )
    return SimpleNamespace(kernel=kernel if connection_file else None, user_ns=user, request=request)


@pytest.fixture(autouse=True)
def no_path(data_dir, monkeypatch: pytest.MonkeyPatch):
    for name in ("JPY_SESSION_NAME", "FARCELL_RUN"):
        monkeypatch.delenv(name, raising=False)


def test_a_notebook_with_a_path_is_found_again_by_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "work/a.ipynb")
    first = Notebook(shell("/run/kernel-1.json")).session_key("h100")
    second = Notebook(shell("/run/kernel-2.json")).session_key("h100")
    assert first == second
    assert (first.path, first.name, first.ephemeral) == ("work/a.ipynb", "h100", False)


def test_vs_code_tells_the_path_in_the_namespace():
    key = Notebook(shell(__vsc_ipynb_file__="/home/ada/b.ipynb")).session_key("h100")
    assert (key.path, key.ephemeral) == ("/home/ada/b.ipynb", False)


def test_without_a_path_each_kernel_is_a_notebook_of_its_own():
    first = Notebook(shell("/run/kernel-1.json")).session_key("h100")
    second = Notebook(shell("/run/kernel-2.json")).session_key("h100")
    assert first.ephemeral
    assert second.ephemeral
    assert first.path != second.path


def test_a_kernel_without_a_path_does_not_tell_where_its_files_lie():
    assert "/run" not in Notebook(shell("/run/kernel-1.json")).session_key("h100").path


def test_a_run_without_a_front_end_has_sessions_of_its_own_under_its_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "work/a.ipynb")  # of the notebook whose terminal it was started in
    monkeypatch.setenv("JPY_PARENT_PID", "4711")
    monkeypatch.setenv("FARCELL_RUN", "4711 b.ipynb (run 1a2b3c4d)")
    key = Notebook(shell(__vsc_ipynb_file__="/home/ada/a.ipynb")).session_key("h100")
    assert (key.path, key.ephemeral) == ("b.ipynb (run 1a2b3c4d)", True)


def test_a_terminal_is_a_notebook_of_its_own():
    terminal = Notebook(shell(None))
    assert terminal.session_key("h100") == terminal.session_key("h100")
    assert terminal.session_key("h100").ephemeral


def test_another_machines_session_is_not_this_notebooks():
    notebook = Notebook(shell())
    own = notebook.session_key("h100")
    assert notebook.has(own)
    assert not notebook.has(SessionKey("elsewhere", own.path, own.name, ephemeral=True))


def test_a_cell_goes_out_under_the_front_ends_own_header():
    one = shell()
    header, alone = Notebook(one).header()
    assert header == one.request["header"]
    assert alone


def test_a_second_cell_under_one_request_has_a_header_of_its_own():
    notebook = Notebook(shell())
    first, _ = notebook.header()
    second, alone = notebook.header()
    assert second["msg_id"] != first["msg_id"]
    assert second["session"] == first["session"]
    assert not alone


@pytest.mark.parametrize(
    "code", ["%%time\n%%gpu\npass", "print(1)\nget_ipython().run_cell_magic('gpu', '', '')"]
)
def test_a_far_cell_inside_another_cell_is_not_alone(code: str):
    assert Notebook(shell(code=code)).header()[1] is False


def test_a_terminals_cell_has_a_header_too():
    header, alone = Notebook(shell(None)).header()
    assert header["msg_id"]
    assert not alone
