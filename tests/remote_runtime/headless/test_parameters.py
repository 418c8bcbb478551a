"""Parameters are read and put into a notebook as papermill does it."""

from __future__ import annotations

import ast
import contextlib
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode

from farcell.remote_runtime.errors import BadRequest
from farcell.remote_runtime.headless.parameters import inject, parse_parameters, unknown_parameters

VALUES = {
    "0.1": 0.1,
    "-3": -3,
    "[1, 'two']": [1, "two"],
    '{"a": null}': {"a": None},
    "(1, 2)": (1, 2),
    "True": True,
    "true": True,
    "None": None,
    "null": None,
    "'7'": "7",
    "seven": "seven",
    "data/train.csv": "data/train.csv",
    "a=b": "a=b",
    "007": "007",
    "": "",
    " ": " ",
    "NaN": "NaN",
    "1e999": "1e999",
    "__import__('os')": "__import__('os')",
}


@pytest.mark.parametrize("text", VALUES)
def test_a_value_is_a_python_literal_else_json_else_text(text: str):
    value = parse_parameters([f"x={text}"])["x"]
    assert (value, type(value)) == (VALUES[text], type(VALUES[text]))


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["epochs"], "'epochs' is no parameter: write name=value"),
        (["=3"], "'' is no name of a variable"),
        (["learning-rate=3"], "'learning-rate' is no name of a variable"),
        (["lambda=3"], "'lambda' is no name of a variable"),
        (["a=1", "b=2", "a=3"], "the parameter a is given twice"),
    ],
)
def test_what_is_no_parameter_is_refused(texts: list[str], sentence: str):
    with pytest.raises(BadRequest) as refused:
        parse_parameters(texts)
    assert refused.value.message.startswith(sentence)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_what_is_written_into_the_notebook_is_the_value(text: str):
    with contextlib.suppress(BadRequest):
        parameters = parse_parameters([f"x={text}"])
        notebook = made()
        inject(notebook, parameters)
        assignment = ast.parse(notebook.cells[0].source).body[0]
        assert isinstance(assignment, ast.Assign)
        assert ast.literal_eval(assignment.value) == parameters["x"]


def made(*cells: tuple[str, str], minor: int = 5) -> NotebookNode:
    """Of sources and tags."""
    notebook = nbformat.v4.new_notebook()
    notebook.nbformat_minor = minor
    for source, tag in cells:
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": [tag]} if tag else {})
        if minor < 5:
            del cell["id"]
        notebook.cells.append(cell)
    return notebook


def sources(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


PARAMETERS: dict[str, Any] = {"epochs": 3, "name": "it's"}
INJECTED = '# Parameters\nepochs = 3\nname = "it\'s"'


def test_parameters_stand_behind_the_defaults():
    notebook = made(("import torch", ""), ("epochs = 10", "parameters"), ("train(epochs)", ""))
    inject(notebook, PARAMETERS)
    assert sources(notebook) == ["import torch", "epochs = 10", INJECTED, "train(epochs)"]
    assert notebook.cells[2].metadata.tags == ["injected-parameters"]
    nbformat.validate(notebook)


def test_without_defaults_they_stand_first():
    notebook = made(("train(epochs)", ""))
    inject(notebook, PARAMETERS)
    assert sources(notebook) == [INJECTED, "train(epochs)"]


def test_those_of_an_earlier_run_are_replaced():
    notebook = made(("epochs = 10", "parameters"), ("# Parameters\nepochs = 4", "injected-parameters"))
    inject(notebook, PARAMETERS)
    assert sources(notebook) == ["epochs = 10", INJECTED]


@pytest.mark.parametrize("magic", ["%%gpu H100", "%%local"])
def test_they_run_where_the_defaults_run(magic: str):
    notebook = made((f"{magic}\nepochs = 10", "parameters"))
    inject(notebook, PARAMETERS)
    assert sources(notebook)[1] == f"{magic}\n{INJECTED}"


def test_an_older_notebook_stays_one():
    notebook = made(("epochs = 10", "parameters"), minor=4)
    inject(notebook, PARAMETERS)
    assert "id" not in notebook.cells[1]
    nbformat.validate(notebook)


def test_parameters_that_the_defaults_do_not_set_are_known_with_the_nearest():
    notebook = made(
        ("%%gpu\nepochs = 10\nrate: float = 0.1\nlow, high = 1, 2\ndef f(): inner = 1", "parameters")
    )
    given_names = ["epochs", "rate", "low", "high", "epoch", "inner", "zzz"]
    assert unknown_parameters(notebook, given_names) == {"epoch": "epochs", "inner": None, "zzz": None}
    assert unknown_parameters(made(("epochs = 10", "")), ["zzz"]) == {}


def test_defaults_that_are_not_plain_python_know_no_names():
    assert unknown_parameters(made(("!ls\nepochs = 10", "parameters")), ["epochs"]) == {"epochs": None}
