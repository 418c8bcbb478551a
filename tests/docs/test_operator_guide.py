"""The operator's guide against the code: its commands, options, settings, links and files are those that there are."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from farcell_command import Person, serve
from layout import ROOT
from traitlets.config import Configurable, PyFileConfigLoader

from farcell.remote_runtime.api.gpus import table_with_overrides
from farcell.remote_runtime.cli.application import _COMMANDS, Farcell
from farcell.remote_runtime.cli.gateway import Gateway
from farcell.remote_runtime.spawners.docker.options import DockerOptions
from farcell.remote_runtime.spawners.process_options import ProcessOptions

GUIDE = ROOT / "docs" / "operator-guide.md"
README = ROOT / "README.md"
FILES = ROOT / "examples" / "gateway"
SECTIONS: dict[str, type[Configurable]] = {
    "Gateway": Gateway,
    "DockerSpawner": DockerOptions,
    "ProcessSpawner": ProcessOptions,
}


def operators_part() -> str:
    """Of the README."""
    return README.read_text("utf-8").partition("## Serve a team\n")[2].partition("\n## ")[0]


def blocks(language: str) -> Iterator[str]:
    yield from re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8") + operators_part(), re.DOTALL)


def commands() -> list[list[str]]:
    """Every line that is typed, without its prompt, its comment and who types it."""
    typed = [
        line[2:] for block in blocks("console") for line in block.splitlines() if line[:2] in ("$ ", "# ")
    ]
    words = [shlex.split(line, comments=True) for line in typed]
    return [line[3:] if line[:3] == ["sudo", "-u", "farcell"] else line for line in words]


def test_the_readme_names_files_that_there_are():
    named = set(re.findall(r"examples/gateway/[\w.]+", operators_part()))
    assert len(named) == 2
    assert all((ROOT / name).is_file() for name in named)


OURS = list({" ".join(words): words for words in commands() if words[0] == "farcell"}.values())


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_every_command_is_one_with_options_that_it_has(words: list[str]):
    """They are read as typed, and not run."""
    app = Farcell()
    app.initialize(words[1:])
    while app.subapp is not None:
        app = app.subapp


def test_the_guide_shows_what_an_operator_needs():
    assert {"doctor", "user", "login", "logs", "backup", "sessions"} <= {words[1] for words in OURS}
    assert {words[1] for words in OURS} <= _COMMANDS.keys()


def settings() -> set[tuple[str, str]]:
    text = GUIDE.read_text("utf-8")
    named = set(re.findall(r"\bc\.(\w+)\.(\w+)", text + (FILES / "farcell_config.py").read_text()))
    rows = re.findall(r"^\| `c\.(\w+)\.\w+`((?:, `\w+`)+)", text, re.MULTILINE)
    return named | {(section, name) for section, more in rows for name in re.findall(r"`(\w+)`", more)}


@pytest.mark.parametrize(("section", "name"), sorted(settings()))
def test_every_setting_is_one_that_can_be_set(section: str, name: str):
    assert SECTIONS[section].class_traits(config=True).keys() >= {name}


def test_the_shipped_configuration_is_taken(tmp_path: Path):
    config = PyFileConfigLoader("farcell_config.py", str(FILES)).load_config()
    config.Gateway.certfile = config.Gateway.keyfile = ""
    config.Gateway.insecure_no_tls = True
    gateway = Gateway(config=config)
    options = gateway.options()
    assert options.folder == Path("/var/lib/farcell")
    assert options.allows_host("gpu.example.org")
    setup = gateway.setup(gateway.table())
    assert DockerOptions(config=setup.config).settings(setup).limits.disk_bytes == 40 << 30
    assert gateway.spawners == ["docker"]


def test_the_price_table_is_taken(tmp_path: Path):
    (text,) = blocks("toml")
    (tmp_path / "prices.toml").write_text(text)
    assert table_with_overrides(tmp_path / "prices.toml").find("RTX-4090")


def test_every_link_leads_somewhere():
    text = GUIDE.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    assert not [link for link in links if not (GUIDE.parent / link).exists()]


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path, require):
    """But for what this systemd is too old for."""
    require("systemd-analyze", "reads units")
    text = (FILES / "farcell.service").read_text()
    program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)
    assert program
    (tmp_path / "farcell.service").write_text(text.replace(program[1], "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "farcell.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [
        line
        for line in verified.stderr.splitlines()
        if "farcell.service" in line and "DelegateSubgroup" not in line and "Unknown user" not in line
    ]
    assert not complaints


def test_the_unit_lets_leases_outlive_it():
    unit = dict(re.findall(r"^(\w+)=(.*)$", (FILES / "farcell.service").read_text(), re.MULTILINE))
    assert (unit["KillMode"], unit["Delegate"]) == ("process", "yes")
    assert "PrivateTmp" not in unit, "it would go under leases that run on"
    assert "PrivateDevices" not in unit, "GPUs are devices"
    assert "MemoryDenyWriteExecute" not in unit, "torch compiles"


def test_the_certificate_of_the_guide_serves(person: Person, tmp_path: Path, require, monkeypatch):
    """Made by the guide's own line; a laptop that trusts it logs in by it."""
    require("openssl", "makes certificates")
    (line,) = [words for words in commands() if words[0] == "openssl"]
    name = "localhost"
    words = [word.replace("gpu.example.org", name).replace("rsa:4096", "rsa:2048") for word in line]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    token = person.told("user", "add", "alice").strip()
    tls = [
        "--certfile",
        str(tmp_path / "cert.pem"),
        "--keyfile",
        str(tmp_path / "key.pem"),
        "--host-name",
        name,
    ]
    with serve(person, *tls) as served:
        alice = Person(person.folder / "alice")
        alice.told("login", served.url, "--ca", str(tmp_path / "cert.pem"), stdin=token)
        assert "cpu" in alice.told("offers")
    doctor = person.farcell("doctor", "--json", "--port", "0", *tls)
    assert '"missing"' not in doctor.out, doctor.out


@pytest.fixture
def person(data_dir: Path) -> Person:
    return Person(data_dir)


def test_nginx_takes_its_configuration(tmp_path: Path, require):
    require("nginx", "reads its configuration")
    text = (
        (FILES / "nginx.conf")
        .read_text()
        .replace("/etc/farcell", str(tmp_path))
        .replace("listen 443 ssl", "listen 8443 ssl")
    )
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}\n}}\n")
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-out", "cert.pem"]
    subprocess.run([*words, "-keyout", "key.pem"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf"], check=True, capture_output=True)


def test_the_compose_file_names_files_that_there_are():
    text = (FILES / "compose.yaml").read_text()
    assert (FILES / re.search(r"context: (\S+)", text)[1]).resolve() == ROOT
    assert (ROOT / re.search(r"dockerfile: (\S+)", text)[1]).is_file()
    for source in re.findall(r"- (\./[^:]+):", text):
        assert (FILES / source).is_file()
    assert "/var/lib/farcell:/var/lib/farcell\n" in text, "the same path inside and outside"
