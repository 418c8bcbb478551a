"""Notebooks as files: read and checked, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path

import nbformat
from nbformat import NotebookNode, ValidationError
from nbformat.validator import normalize

from ..errors import BadRequest, FarcellError

VERSION = 4
SKIPPED_TAG = "skip-execution"


def read_notebook(path: Path) -> NotebookNode:
    """In the current format, whichever it is written in; raises `BadRequest` that says what is wrong with the file."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise BadRequest(f"there is no notebook {path}") from None
    except UnicodeDecodeError:
        raise BadRequest(f"{path} is no notebook: it is not text") from None
    except OSError as error:
        raise BadRequest(f"the notebook {path} can't be read: {error.strerror or error}") from None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BadRequest(f"{path} is no notebook: it is not JSON ({error})") from None
    if not isinstance(document, dict) or not isinstance(document.get("nbformat"), int):
        raise BadRequest(f"{path} is no notebook: it does not say its nbformat")
    if document["nbformat"] > VERSION:
        raise BadRequest(
            f"{path} is a notebook of nbformat {document['nbformat']}; this Farcell reads up to {VERSION}"
        )
    return _current(path, document)


def _current(path: Path, document: object) -> NotebookNode:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ids that are missing are made below
        try:
            _, document = normalize(document)
            notebook: NotebookNode = nbformat.reads(  # type: ignore[no-untyped-call]
                json.dumps(document), as_version=VERSION
            )
            nbformat.validate(notebook)
        # nbformat walks into a document before it looks whether that is one
        except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = str(error).partition("\n")[0]
            raise BadRequest(f"{path} is no valid notebook: {reason}") from error
    return notebook


def is_run(cell: NotebookNode) -> bool:
    """Whether it has code that runs."""
    tags = cell.metadata.get("tags", [])
    return bool(cell.cell_type == "code" and cell.source.strip() and SKIPPED_TAG not in tags)


def forget_outputs(notebook: NotebookNode) -> None:
    """Of the cells that will run: a run that ends early must not leave another's outputs."""
    for cell in filter(is_run, notebook.cells):
        cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
    notebook.metadata.pop("widgets", None)


class NotebookFile:
    """Where a run's notebook is kept. Raises `BadRequest` at once when nothing can be written there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._target = path.resolve()  # a link stays one
        if self._target.exists() and not self._target.is_file():
            raise BadRequest(f"the notebook can't be written to {path}: it is no file")
        try:
            self._temporary.touch()
            self._temporary.unlink()
        except OSError as error:
            raise BadRequest(f"the notebook can't be written to {path}: {error.strerror or error}") from error

    @property
    def _temporary(self) -> Path:
        return self._target.with_name(f".{self._target.name}.{os.getpid()}")

    def save(self, notebook: NotebookNode) -> None:
        """Replaces the file at once: whoever reads it, and whenever this is killed, it is whole."""
        text = nbformat.writes(notebook) + "\n"  # type: ignore[no-untyped-call]
        try:
            self._temporary.write_bytes(text.encode("utf-8", "backslashreplace"))
            if self._target.exists():
                shutil.copymode(self._target, self._temporary)
            self._temporary.replace(self._target)
        except OSError as error:
            self._temporary.unlink(missing_ok=True)
            raise FarcellError(f"{self.path} can't be written: {error.strerror or error}") from error
