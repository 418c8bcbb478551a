"""The sidebar as a person sees it: JupyterLab in a real browser, against a real gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from embedded_gateway import embedded_gateway, session_spec
from layout import ROOT
from notebook_server import NotebookServer, jupyter_lab
from playwright.async_api import Page, async_playwright, expect

TIMEOUT_MS = 90_000


@pytest.fixture
def lab(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require):
    front_end = ROOT / "labextension" / "static" / "package.json"
    require("the built front end", "it is shown; make test builds it", found=front_end.exists())
    monkeypatch.setenv("FARCELL_SIMULATE", "H100:2")
    with jupyter_lab(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(server: NotebookServer, chromium: str) -> AsyncIterator[Page]:
    """JupyterLab's page with Farcell's tab in front; fails when the page reported an error of a script."""
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1100, "height": 720})
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(f"{server.url}lab?token={server.token}")
        await page.get_by_role("tab", name="Far GPUs").click()
        yield page
        await browser.close()
    assert faults == []


async def test_from_no_gateway_to_a_running_session(lab: NotebookServer, data_dir: Path, require):
    chromium = require("chromium", "shows the sidebar; apt-get install chromium")
    async with opened(lab, chromium) as page:
        panel = page.get_by_role("region", name="Far GPUs")
        await expect(panel).to_contain_text("No gateway is running.", timeout=TIMEOUT_MS)
        await expect(panel).to_contain_text("It starts with the first %%gpu cell.")

        async with embedded_gateway(data_dir) as gateway:
            await expect(panel).to_contain_text("H100 (simulated)", timeout=TIMEOUT_MS)
            await expect(panel).to_contain_text("2 of 2 free")
            await expect(panel).to_contain_text("80 GiB · $3.95 per hour")
            await expect(panel).to_contain_text("No session yet.")

            await gateway.post_json("/farcell/v1/sessions", session_spec("H100"))
            await expect(panel).to_contain_text("1 of 2 free", timeout=TIMEOUT_MS)
            await expect(panel).to_contain_text("analysis.ipynb")
            await expect(panel.locator("[data-state=idle]")).to_be_visible(timeout=TIMEOUT_MS)

        await expect(panel).to_contain_text("No gateway is running.", timeout=TIMEOUT_MS)


async def test_when_the_jupyter_server_is_gone_the_sidebar_says_so(lab: NotebookServer, require):
    chromium = require("chromium", "shows the sidebar; apt-get install chromium")
    async with opened(lab, chromium) as page:
        panel = page.get_by_role("region", name="Far GPUs")
        await expect(panel).to_contain_text("No gateway is running.", timeout=TIMEOUT_MS)
        await page.context.set_offline(True)
        await expect(panel).to_contain_text("The Jupyter server does not answer.", timeout=TIMEOUT_MS)
        await expect(panel.get_by_role("button", name="Try again")).to_be_visible()
        await page.context.set_offline(False)
        await panel.get_by_role("button", name="Try again").click()
        await expect(panel).to_contain_text("No gateway is running.", timeout=TIMEOUT_MS)
