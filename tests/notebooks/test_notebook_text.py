from __future__ import annotations

from pathlib import Path

import nbformat
from notebook_text import read_notebook

TEXT = """# Title

```python
x = 1
```

Words, and what is no cell:

```console
$ ls
```

```python raises-exception
1 / 0
```
"""


def test_fenced_python_is_code_and_all_else_is_text(tmp_path: Path):
    path = tmp_path / "some.md"
    path.write_text(TEXT)
    notebook = read_notebook(path)
    nbformat.validate(notebook)
    assert [(cell.cell_type, cell.source.splitlines()[0]) for cell in notebook.cells] == [
        ("markdown", "# Title"),
        ("code", "x = 1"),
        ("markdown", "Words, and what is no cell:"),
        ("code", "1 / 0"),
    ]
    assert [cell.metadata.tags for cell in notebook.cells if cell.cell_type == "code"] == [
        [],
        ["raises-exception"],
    ]
