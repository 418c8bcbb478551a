"""A job in JupyterLab, in a real browser: its output comes under its own cell while other cells run."""

from __future__ import annotations

from pathlib import Path

import nbformat
from embedded_gateway import embedded_gateway
from notebook_server import jupyter_lab
from playwright.async_api import async_playwright, expect

TIMEOUT_MS = 90_000
JOB = """%%gpu H100 --bg
import pathlib, time
print('begun', flush=True)
for name in ('one', 'two'):
    while not pathlib.Path({folder!r}, name).exists():
        time.sleep(0.05)
    print('saw', name, flush=True)
6 * 7"""


async def test_a_jobs_output_and_line_come_under_its_own_cell(
    data_dir: Path, tmp_path: Path, monkeypatch, require
):
    chromium = require("chromium", "shows the notebook; apt-get install chromium")
    monkeypatch.setenv("FARCELL_SIMULATE", "H100:2")
    sources = ["%load_ext farcell", JOB.format(folder=str(tmp_path)), "%%gpu\nprint('beside')", "%gpu wait"]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / "jobs.ipynb")
    async with embedded_gateway(data_dir), async_playwright() as playwright:
        with jupyter_lab(tmp_path) as server:
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": 1300, "height": 1200})
            page.set_default_timeout(TIMEOUT_MS)
            await page.goto(f"{server.url}lab/tree/jobs.ipynb?token={server.token}")
            cells = page.locator(".jp-Notebook .jp-CodeCell")
            await expect(cells).to_have_count(4, timeout=TIMEOUT_MS)
            await expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=TIMEOUT_MS)
            await page.get_by_role("menuitem", name="Run", exact=True).click()
            await page.get_by_text("Run All Cells", exact=True).click()
            job, beside, waiting = (cells.nth(index).locator(".jp-OutputArea") for index in (1, 2, 3))
            await expect(beside).to_contain_text("beside", timeout=TIMEOUT_MS)
            await expect(waiting).to_contain_text("waiting for job 1", timeout=TIMEOUT_MS)
            await expect(job).to_contain_text("begun")
            (tmp_path / "one").touch()
            await expect(job).to_contain_text("saw one", timeout=TIMEOUT_MS)
            await expect(job).to_contain_text("job 1 runs on H100 (simulated)")
            (tmp_path / "two").touch()
            await expect(job).to_contain_text("42", timeout=TIMEOUT_MS)
            await expect(cells.nth(1).locator(".jp-OutputPrompt").last).to_contain_text("[2]:")
            await expect(job).to_contain_text("$", timeout=TIMEOUT_MS)
            assert "runs" not in await job.inner_text()
            await browser.close()
