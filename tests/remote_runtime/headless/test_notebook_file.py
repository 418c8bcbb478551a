"""Notebooks are read or refused in a sentence, and written whole."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import nbformat
import pytest

from farcell.remote_runtime.errors import BadRequest
from farcell.remote_runtime.headless.notebook_file import (
    NotebookFile,
    forget_outputs,
    is_run,
    read_notebook,
)


def document(*cells: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **fields}


def code(source: str, **fields: Any) -> dict[str, Any]:
    empty = {"cell_type": "code", "id": "a1", "metadata": {}, "outputs": [], "execution_count": None}
    return {**empty, "source": source, **fields}


REFUSED: dict[str, object] = {
    "is no notebook: it is not JSON": "import torch\n",
    "is no notebook: it is not text": b"\xff\xfe\x00",
    "is no notebook: it does not say its nbformat": [],
    "is no notebook: it does not say its nbformat ": {"cells": []},
    "is a notebook of nbformat 5; this Farcell reads up to 4": document(nbformat=5),
    "is no valid notebook: ": document(cells=5),
    "is no valid notebook:": document({"cell_type": "code"}),
    "is no valid notebook": document({"cell_type": "code", "source": 5}),
    "is no valid ": {"nbformat": 1},
    "is no vali": {"nbformat": 4, "cells": None},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_no_notebook_is_refused(tmp_path: Path, sentence: str):
    content = REFUSED[sentence]
    path = tmp_path / "a.ipynb"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(BadRequest) as refused:
        read_notebook(path)
    assert refused.value.message.startswith(f"{path} {sentence.strip()}")
    assert "\n" not in refused.value.message


def test_a_missing_notebook_and_a_folder_are_told(tmp_path: Path):
    with pytest.raises(BadRequest, match=r"^there is no notebook .*missing\.ipynb$"):
        read_notebook(tmp_path / "missing.ipynb")
    with pytest.raises(BadRequest, match="can't be read: Is a directory"):
        read_notebook(tmp_path)


def test_cells_without_ids_get_some_and_older_formats_are_converted(tmp_path: Path):
    path = tmp_path / "a.ipynb"
    cell = code("x = 1")
    del cell["id"]
    path.write_text(json.dumps(document(cell)))
    assert read_notebook(path).cells[0].id
    sheet = {
        "cells": [
            {"cell_type": "code", "language": "python", "input": "x = 1", "outputs": [], "metadata": {}}
        ]
    }
    path.write_text(json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [sheet]}))
    assert read_notebook(path).cells[0].source == "x = 1"


def test_outputs_of_an_earlier_run_are_forgotten_where_cells_will_run():
    output = {"output_type": "stream", "name": "stdout", "text": "old"}
    old = {"outputs": [output], "execution_count": 7}
    cells = [code("x", **old), code("x", **old, id="b", metadata={"tags": ["skip-execution"]})]
    notebook = nbformat.from_dict(document(*cells))
    assert [is_run(cell) for cell in notebook.cells] == [True, False]
    forget_outputs(notebook)
    assert [cell.outputs for cell in notebook.cells] == [[], [output]]
    assert notebook.cells[0].execution_count is None


@pytest.mark.parametrize("source", ["", "  \n", "\n"])
def test_a_cell_without_code_does_not_run(source: str):
    assert not is_run(nbformat.from_dict(code(source)))


def test_a_saved_notebook_replaces_the_file_and_keeps_its_mode_and_links(tmp_path: Path):
    path, link = tmp_path / "a.ipynb", tmp_path / "link.ipynb"
    path.write_text("before")
    path.chmod(0o640)
    link.symlink_to(path)
    NotebookFile(link).save(nbformat.from_dict(document(code("x"))))
    assert read_notebook(path).cells[0].source == "x"
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {one.name for one in tmp_path.iterdir()} == {"a.ipynb", "link.ipynb"}


def test_text_that_is_no_unicode_is_kept(tmp_path: Path):
    file = NotebookFile(tmp_path / "a.ipynb")
    file.save(nbformat.from_dict(document(code("'\ud800'"))))
    assert read_notebook(file.path).cells[0].source == "'\ud800'"


def test_where_nothing_can_be_written_it_is_refused_beforehand(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(BadRequest, match=r"can't be written to .*: Not a directory"):
        NotebookFile(tmp_path / "file" / "out.ipynb")
    with pytest.raises(BadRequest, match=r"can't be written to .*: No such file or directory"):
        NotebookFile(tmp_path / "missing" / "out.ipynb")
    for no_file in (tmp_path, Path("/dev/null")):
        with pytest.raises(BadRequest, match="it is no file"):
            NotebookFile(no_file)
    assert Path("/dev/null").is_char_device()
