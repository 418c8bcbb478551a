"""What cells in real containers reach: what their session's network opens, through the gateway's proxy, and no more."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from docker_engine import DockerEngine
from farcell_command import Person, serve
from notebook_driver import Notebook

INDEX, OTHER = "127.0.0.2", "127.0.0.3"
"""Two hosts that answer. Like a company's package index they are private: the operator opens the first."""
PACKAGE = "farcell-tests-tiny"
LOOK = """
import json, os, re, urllib.request
from pathlib import Path
def got(url):
    try:
        return urllib.request.urlopen(url, timeout=30).read().decode()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
interfaces = re.findall(r"^ *([^ :]+):", Path("/proc/net/dev").read_text(), re.MULTILINE)
print(json.dumps({"interfaces": interfaces, "proxy": os.environ.get("https_proxy"), "got": [got(url) for url in URLS]}))
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def index(folder: Path) -> Iterator[int]:
    """An index with one package, at two addresses of this machine; its port."""
    _write_package(folder)
    handler = partial(Quiet, directory=str(folder))
    with ExitStack() as stack:
        first = ThreadingHTTPServer((INDEX, 0), handler)
        for server in (first, ThreadingHTTPServer((OTHER, first.server_port), handler)):
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(server.server_close)
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield first.server_port


def _write_package(folder: Path) -> None:
    name = PACKAGE.replace("-", "_")
    pages = folder / "simple" / PACKAGE
    pages.mkdir(parents=True)
    (folder / "hello").write_text("hello")
    info = f"{name}-1.0.dist-info"
    content = {
        f"{name}.py": "answer = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in content.items())
    wheel = pages / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    (pages / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def world(docker_engine: DockerEngine) -> Iterator[tuple[Notebook, int, Path]]:
    """A user's notebook at a gateway over real containers, the index's port, and the gateway's folder."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="farcell-network-")))
        (folder / "index").mkdir()
        port = stack.enter_context(index(folder / "index"))
        operator = Person(folder / "operator")
        operator.folder.mkdir()
        config = f"c.Gateway.egress_ports = [{port}]\nc.Gateway.egress_private_hosts = ['{INDEX}']\n"
        (operator.folder / "farcell_config.py").write_text(docker_engine.config() + config)
        served = stack.enter_context(serve(operator))
        ada = Person(folder / "ada")
        ada.folder.mkdir()
        token = operator.told("user", "add", "ada").strip()
        ada.told("login", served.url, stdin=token)
        environment = ada.environment(HOME=str(ada.folder), JPY_SESSION_NAME="network.ipynb")
        notebook = stack.enter_context(Notebook(ada.folder, environment))
        stack.callback(ada.told, "stop", "--all")
        yield notebook, port, operator.folder / "serve"


@pytest.fixture(autouse=True)
def _stop(world: tuple[Notebook, int, Path]) -> Iterator[None]:
    """A small machine has room for two containers."""
    yield
    world[0].run("%gpu stop --all")


def look(notebook: Notebook, line: str, *urls: str) -> dict[str, object]:
    cell = notebook.run(f"%%gpu {line}\nURLS = {list(urls)!r}\n{LOOK}")
    assert not cell.error, cell.error
    return dict(json.loads(cell.stdout.splitlines()[-1]))


@pytest.mark.parametrize("isolation", ["container", "sandbox"])
def test_egress_reaches_what_is_let_through_and_nothing_else(world, isolation):
    notebook, port, folder = world
    line = f"cpu -n out-{isolation} --network egress --isolation {isolation}"
    told = look(
        notebook,
        line,
        f"http://{INDEX}:{port}/hello",
        f"http://{OTHER}:{port}/hello",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        f"http://{INDEX}:22/",
    )
    assert told["interfaces"] == ["lo"]
    assert told["proxy"] == "http://127.0.0.1:3128"
    never = "which no --network opens"
    assert told["got"] == [
        "hello",
        f"HTTPError: HTTP Error 403: {OTHER} is refused: it is a loopback address, {never}",
        f"HTTPError: HTTP Error 403: 169.254.169.254 is refused: it is a cloud's metadata service, {never}",
        f"HTTPError: HTTP Error 403: 10.0.0.1 is refused: it is a private address, {never}",
        f"HTTPError: HTTP Error 403: ::ffff:10.0.0.1 is refused: it is a private address, {never}",
        (
            f"HTTPError: HTTP Error 403: {INDEX} is refused: port 22 is not let through (only 80, 443, {port}): "
            "the gateway's operator can add it"
        ),
    ]
    [log] = [
        path for path in folder.glob("leases/*/egress.log") if f"{INDEX}:{port} allowed" in path.read_text()
    ][-1:]
    assert "/hello" not in log.read_text()


def test_pip_installs_through_the_proxy(world):
    notebook, port, _ = world
    source = f"--index-url http://{INDEX}:{port}/simple --trusted-host {INDEX}"
    cell = notebook.run(f"%%gpu cpu -n list --network {INDEX},pypi.org\n%pip install -q {source} {PACKAGE}")
    assert not cell.error, cell.error
    cell = notebook.run("%%gpu\nimport farcell_tests_tiny\nfarcell_tests_tiny.answer")
    assert cell.result == "42"
    told = look(notebook, "", f"http://{OTHER}:{port}/hello")
    assert told["got"] == [
        (
            f"HTTPError: HTTP Error 403: {OTHER} is refused: it is not among this session's hosts ({INDEX}, pypi.org): "
            "--network takes more"
        )
    ]


def test_without_a_network_there_is_nothing(world):
    notebook, port, _ = world
    told = look(notebook, "cpu -n none --network none", "http://example.org/", f"http://{INDEX}:{port}/")
    assert told["interfaces"] == ["lo"]
    assert told["proxy"] is None
    assert told["got"] == [
        "URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
        "URLError: <urlopen error [Errno 111] Connection refused>",
    ]


def test_a_running_session_keeps_its_walls_and_a_bare_cell_takes_them(world):
    notebook, _, _ = world
    assert not notebook.run("%%gpu cpu -n kept --network none\n1").error
    cell = notebook.run("%%gpu -n kept --network egress\n1")
    assert (
        "session kept runs with --network none --isolation container, not --network egress"
        in cell.error.replace("\n", " ")
    )
    assert look(notebook, "-n kept --network none")["proxy"] is None
    assert (
        "network none" in notebook.run("%gpu status").stdout or "network none" in notebook.run("%gpu").result
    )
