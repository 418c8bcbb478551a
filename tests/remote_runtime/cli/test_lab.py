"""``farcell lab``: JupyterLab, with the sidebar's half in its server."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

from farcell_command import PROGRAM
from notebook_server import jupyter_lab


def test_it_opens_jupyterlab_with_the_sidebar_also_where_that_was_disabled(data_dir: Path, tmp_path: Path):
    (tmp_path / "config").mkdir()
    disabled = {"ServerApp": {"jpserver_extensions": {"farcell": False}}}
    (tmp_path / "config" / "jupyter_server_config.json").write_text(json.dumps(disabled))
    with jupyter_lab(tmp_path, [str(PROGRAM), "lab"]) as server:
        asked = Request(server.url + "farcell/overview", headers=server.headers)
        with urlopen(asked, timeout=60) as answer:
            assert "gateway" in json.load(answer)
