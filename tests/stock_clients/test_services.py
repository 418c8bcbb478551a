"""JupyterLab's own services library, under Node."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from stock_servers import StockServer

HERE = Path(__file__).parent
MODULES = HERE.parent.parent / "labextension" / "node_modules"
DEADLINE_S = 90


def test_a_notebook_of_jupyterlab(gateway: StockServer, spec: str, require):
    node = require("node", "runs JupyterLab's services library")
    library = MODULES / "@jupyterlab" / "services"
    require(str(library), "is JupyterLab's services library", found=library.is_dir())
    told = subprocess.run(
        [node, HERE / "services.cjs", gateway.url, gateway.token],
        env=os.environ | {"NODE_PATH": str(MODULES)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout.splitlines()[-1]) == {
        "specs": list(gateway.get("/api/kernelspecs")["kernelspecs"]),
        "language": "python",
        "output": "far\n",
        "buffers": [[0, 1, 254, 255]],
        "interrupted": "KeyboardInterrupt",
        "remembered": "False\n",
        "paths": ["b.ipynb"],
        "left": 0,
    }
