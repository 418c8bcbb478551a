"""Makes the pictures in ``docs/images``: JupyterLab in a real browser, a real gateway, notebooks run for real.

``python tests/browser/pictures.py``, from the project's root, with what ``make test`` installs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from notebook_page import write_notebook, write_settings  # noqa: E402 (they lie beside this folder)
from notebook_server import jupyter_lab  # noqa: E402

IMAGES = ROOT / "docs" / "images"
WAIT_MS = 120_000
SIZE = {"width": 1280, "height": 860}
TRAINS = """
import time
from tqdm.notebook import tqdm

losses = []
for step in tqdm(range(1, 101), desc="training"):
    time.sleep(0.02)
    losses.append(1 / step**0.5)
"""
INTERACT = """
import matplotlib.pyplot as plt
from ipywidgets import interact

@interact(last=(10, 100))
def show(last=100):
    figure, axes = plt.subplots(figsize=(7, 3))
    axes.plot(losses[:last])
    axes.set(xlabel="step", ylabel="loss", title="Drawn anew where the losses are")
    plt.show()
"""


async def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    await take_picture("quickstart", show_quickstart)
    await take_picture("far-kernel", show_far_kernel)


async def take_picture(name: str, show: Callable[[Page], Awaitable[None]]) -> None:
    """Of the notebook of that name, on a machine of its own."""
    folder = Path(tempfile.mkdtemp(prefix="farcell-"))
    os.environ["FARCELL_DATA_DIR"] = str(folder / "data")
    os.environ["FARCELL_SIMULATE"] = "H100:2,L40S:4,T4:4"
    prepare(folder)
    try:
        with jupyter_lab(folder) as server:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                page = await browser.new_page(viewport=SIZE, device_scale_factor=1.5)
                page.set_default_timeout(WAIT_MS)
                await page.goto(f"{server.url}lab/tree/{name}.ipynb?token={server.token}")
                await page.get_by_role("tab", name="Far GPUs").click()
                await show(page)
                await page.wait_for_timeout(6000)  # the sidebar looks every five seconds
                await page.screenshot(path=IMAGES / f"{name}.png")
                await browser.close()
    finally:
        await end_gateway()
        shutil.rmtree(folder, ignore_errors=True)


def prepare(folder: Path) -> None:
    write_settings(folder)
    shutil.copy(ROOT / "examples" / "quickstart.ipynb", folder / "quickstart.ipynb")
    write_notebook(folder / "far-kernel.ipynb", "farcell-h100", TRAINS.strip(), INTERACT.strip())
    install = [Path(sys.executable).with_name("farcell"), "kernel", "install", "--gpu", "H100"]
    subprocess.run(install, check=True, env=os.environ | {"HOME": str(folder)})


async def show_quickstart(page: Page) -> None:
    await run_all(page)
    await show_plot(page)


async def show_far_kernel(page: Page) -> None:
    """A progress bar that is full, and a slider that was moved."""
    await expect(page.get_by_text("Farcell (H100) | Idle")).to_be_visible(timeout=WAIT_MS)
    await page.get_by_role("menuitem", name="Run", exact=True).click()
    await page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    plot = page.locator(".jp-RenderedImage img")
    await expect(plot).to_be_visible(timeout=WAIT_MS)
    before = await plot.get_attribute("src")
    await page.locator(".widget-readout").fill("40")
    await page.locator(".widget-readout").press("Enter")
    await expect(plot).not_to_have_attribute("src", before or "", timeout=WAIT_MS)


async def run_all(page: Page) -> None:
    """Up to the cell that ends the session: the sidebar should show it alive."""
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    await expect(cells.first).to_be_visible(timeout=WAIT_MS)
    await page.get_by_role("menuitem", name="Edit", exact=True).click()
    await page.get_by_role("menuitem", name="Clear Outputs of All Cells").click()
    stop = page.locator(".jp-CodeCell", has_text="%gpu stop").first
    await stop.click()
    await page.get_by_role("menuitem", name="Run", exact=True).click()
    await page.get_by_role("menuitem", name="Run All Above Selected Cell").click()
    status = page.locator(".jp-CodeCell", has_text="%gpu status").locator(".jp-OutputArea-output").first
    await expect(status).to_be_visible(timeout=WAIT_MS)


async def show_plot(page: Page) -> None:
    """The progress bar's cell at the top, the figure below it."""
    cell = page.locator(".jp-CodeCell", has_text="from tqdm import tqdm").first
    await cell.scroll_into_view_if_needed()
    await cell.evaluate("cell => cell.scrollIntoView({block: 'start'})")
    await expect(page.locator(".jp-RenderedImage img").first).to_be_visible()


async def end_gateway() -> None:
    from farcell.remote_runtime.client import connect
    from farcell.remote_runtime.errors import FarcellError

    try:
        gateway = await connect(start=False)
        await gateway.post_json("/farcell/v1/shutdown", {})
        gateway.close()
    except FarcellError:
        return


if __name__ == "__main__":
    asyncio.run(main())
