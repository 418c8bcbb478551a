"""The Farcell kernel in VS Code before its first cell: on a machine on which no gateway runs yet."""

from __future__ import annotations

from pathlib import Path

from far_machine import FarMachine
from vscode_window import KernelSpec, Window

from farcell.remote_runtime.embedded_facts import EmbeddedFacts


def test_readiness_and_what_is_hidden_start_nothing(
    window: Window, machine: FarMachine, spec: KernelSpec, path: Path
):
    notebook = window.open(path, spec)
    assert notebook.hidden("print(6 * 7)") == "42\n"
    assert notebook.variables() == {}
    completions = notebook.request("shell", "complete_request", {"code": "pri", "cursor_pos": 3})
    assert "print" in completions["matches"]
    debugger = {"type": "request", "seq": 1, "command": "initialize", "arguments": {}}
    assert "run a cell first" in notebook.request("control", "debug_request", debugger)["message"]
    assert EmbeddedFacts.read(machine.folder) is None
    assert {one.pid for one in machine.processes()} <= {window.pid, notebook.started.pid}
