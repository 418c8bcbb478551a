"""In a far kernel the folder lies beside nothing else of Farcell, and the user has whichever libraries."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from layout import ROOT

FOLDER = ROOT / "remote_runtime/values"
MAY_BE_IMPORTED = {*sys.stdlib_module_names, "cloudpickle", "blake3"}

PROGRAM = """
import importlib, json, pathlib, sys, types
package = types.ModuleType("farcell_kernel_side")
package.__path__ = [sys.argv[1]]
sys.modules["farcell_kernel_side"] = package
for path in sorted(pathlib.Path(sys.argv[1], "values").glob("[!_]*.py")):
    importlib.import_module(f"farcell_kernel_side.values.{path.stem}")
loaded = sorted(name.partition(".")[0] for name in sys.modules)
codec = sys.modules["farcell_kernel_side.values.codec"]
near = {"k": 3}
exec("items = [1]\\ndef f(v=items): return v, k", near)
encoded = codec.encode({name: near[name] for name in ("f", "items")}, near)
far = {"k": 10}
far |= codec.decode(encoded.header, [bytearray(view) for view in encoded.buffers], far, trusted=True)
print(json.dumps({"loaded": loaded, "same": far["f"]()[0] is far["items"], "k": far["f"]()[1]}))
"""


def test_it_is_loaded_and_works_from_its_folder_alone():
    command = [sys.executable, "-c", PROGRAM, str(FOLDER.parent)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert not {"farcell", "numpy", "pandas", "pyarrow", "polars", "torch"} & set(told["loaded"])
    assert told["same"]
    assert told["k"] == 10


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_only_what_every_far_kernel_has(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert str(node.module).partition(".")[0] in MAY_BE_IMPORTED
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1
        elif isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= MAY_BE_IMPORTED
