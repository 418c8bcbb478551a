"""Packages and an index made on the spot, so that what installs packages needs no network."""

from __future__ import annotations

import threading
import zipfile
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self


def make_wheel(folder: Path, name: str, version: str = "1.0", *, needs: tuple[str, ...] = ()) -> Path:
    """A pure package with one module of its name, which says its version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {one}\n" for one in needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{one},,\n" for one in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for one, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(one, text)
    return path


def make_index(folder: Path, *names: str, version: str = "1.0") -> str:
    """The address of an index (PEP 503) with those packages, beside what it has already."""
    for name in names:
        wheel = make_wheel(folder / name, name, version)
        links = "".join(f'<a href="{one.name}">{one.name}</a>' for one in sorted(wheel.parent.glob("*.whl")))
        (wheel.parent / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return folder.as_uri()


class SlowIndex:
    """Serves an index's folder on loopback; what is asked for waits until `go_on`, and for ever without."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self._may_go_on = threading.Event()
        slow = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self) -> None:
                slow.asked.append(self.path)
                slow._may_go_on.wait()
                with suppress(ConnectionError):
                    super().do_GET()

            def log_message(self, *_: object) -> None:
                """Nothing on the tests' own output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def go_on(self) -> None:
        self._may_go_on.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
