"""Makes the pictures in ``docs/images``: JupyterLab in a real browser, a real gateway, the quickstart run for real.

``python tests/browser/pictures.py``, from the project's root, with what ``make test`` installs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from notebook_server import NotebookServer, jupyter_lab  # noqa: E402 (it lies beside this folder)

IMAGES = ROOT / "docs" / "images"
WAIT_MS = 120_000
SIZE = {"width": 1280, "height": 860}
SETTINGS = {
    "apputils-extension": {
        "notification.jupyterlab-settings": '{"fetchNews": "false", "checkForUpdates": false}'
    }
}


async def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="farcell-"))
    os.environ["FARCELL_DATA_DIR"] = str(folder / "data")
    os.environ["FARCELL_SIMULATE"] = "H100:2,L40S:4,T4:4"
    shutil.copy(ROOT / "examples" / "quickstart.ipynb", folder / "quickstart.ipynb")
    write_settings(folder)
    try:
        with jupyter_lab(folder) as server:
            await take_pictures(server)
    finally:
        await end_gateway()
        shutil.rmtree(folder, ignore_errors=True)


def write_settings(folder: Path) -> None:
    """No news, no questions: the picture is of Farcell."""
    for package, files in SETTINGS.items():
        place = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / package
        place.mkdir(parents=True)
        for name, text in files.items():
            (place / name).write_text(text)


async def take_pictures(server: NotebookServer) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = await browser.new_page(viewport=SIZE, device_scale_factor=1.5)
        page.set_default_timeout(WAIT_MS)
        await page.goto(f"{server.url}lab/tree/quickstart.ipynb?token={server.token}")
        await run_all(page)
        await show_plot(page)
        IMAGES.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=IMAGES / "quickstart.png")
        await browser.close()


async def run_all(page: Page) -> None:
    """Up to the cell that ends the session: the sidebar should show it alive."""
    await page.get_by_role("tab", name="Far GPUs").click()
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
    await page.wait_for_timeout(6000)  # the sidebar looks every five seconds


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
