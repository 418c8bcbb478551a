"""Runs inside an image while it is built, as root: makes of it an image that kernels run in. Standard library only.

``finish``: the user `farcell`; the environment `ENVIRONMENT` on top of the image's own Python (the interpreter that
runs this), which that user owns, with what a kernel needs. ``own``: gives that user what a step of root's left in it.
``pip``: installs as that user.
What can't be met is said in one line that begins with `SENTENCE`.
"""

from __future__ import annotations

import importlib.metadata
import os
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SENTENCE = "farcell: "
USER, UID = "farcell", 10001
HOME = "/home/farcell"
TOOLS = "/opt/farcell"
ENVIRONMENT = "/opt/farcell-env"
NEEDED = ("ipykernel>=6.29,<8", "cloudpickle>=3.1")
COPIED = ("METADATA", "entry_points.txt", "top_level.txt", "direct_url.json", "WHEEL")


def finish(root: Path = Path("/")) -> None:
    """May be done to an image that was finished before: then only what lacks is added."""
    add_user(root / "etc")
    environment = Path(ENVIRONMENT)
    if not (environment / "pyvenv.cfg").exists():
        make_environment(environment)
    install_needed(environment)
    for path in (Path(HOME), Path(HOME, "work")):
        path.mkdir(parents=True, exist_ok=True)
        own(path)
    own(environment)


def add_user(etc: Path) -> None:
    """Written by hand: not every image has ``useradd``. Whoever had the name or the number makes room."""
    shell = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"
    _replace_line(etc / "passwd", f"{USER}:x:{UID}:{UID}::{HOME}:{shell}")
    _replace_line(etc / "group", f"{USER}:x:{UID}:")


def _replace_line(path: Path, line: str) -> None:
    name, _, number = line.split(":")[:3]
    text = path.read_text(errors="surrogateescape") if path.exists() else ""
    others = [
        one for one in text.splitlines() if one.split(":")[0] != name and one.split(":")[2:3] != [number]
    ]
    path.write_text("\n".join([*others, line, ""]), errors="surrogateescape")


def make_environment(environment: Path) -> None:
    """A venv that sees the image's packages, also where the image's Python is a venv itself."""
    _uv(
        "venv",
        "--quiet",
        "--no-cache",
        "--system-site-packages",
        "--python",
        sys.executable,
        str(environment),
    )
    packages = environment_packages(environment)
    seen = [path for path in image_packages() if Path(path).is_dir()]
    lines = [f"import site; site.addsitedir({path!r})\n" for path in seen]
    (packages / "farcell_image.pth").write_text("".join(lines))
    for installed in importlib.metadata.distributions(path=seen):
        name_as_installed(installed, packages)
    (environment / "bin" / "uv").symlink_to(f"{TOOLS}/uv")


def image_packages() -> list[str]:
    """Where this interpreter finds packages; the place of a user's own is none."""
    return list(dict.fromkeys(site.getsitepackages()))


def environment_packages(environment: Path) -> Path:
    version = "python{}.{}".format(*sys.version_info[:2])
    return environment / "lib" / version / "site-packages"


def name_as_installed(installed: importlib.metadata.Distribution, packages: Path) -> None:
    """Lets uv count one of the image's packages as installed: it looks into the environment alone.

    The entry has the package's description and no files: to uninstall or upgrade it touches nothing of the image's.
    """
    name, version = installed.metadata["Name"], installed.version
    if not name or not version:
        return
    folder = packages / f"{name.replace('-', '_')}-{version}.dist-info"
    if folder.exists():
        return
    folder.mkdir()
    texts = {file: installed.read_text(file) for file in COPIED}
    texts["METADATA"] = texts["METADATA"] or installed.read_text("PKG-INFO")
    texts["INSTALLER"] = USER
    for file, text in texts.items():
        if text:
            (folder / file).write_text(text, errors="surrogateescape")
    record = [f"{folder.name}/{path.name},,\n" for path in sorted(folder.iterdir())]
    (folder / "RECORD").write_text("".join([*record, f"{folder.name}/RECORD,,\n"]))


def install_needed(environment: Path) -> None:
    """Needs an index only where the image lacks them."""
    python = str(environment / "bin" / "python")
    try:
        _uv("pip", "install", "--no-cache", "--python", python, *NEEDED)
    except subprocess.CalledProcessError:
        fail(
            f"the image lacks {' or '.join(NEEDED)}, and they could not be installed (above is why): "
            "builds need a way to a package index, or a base that has them"
        )
    if not _succeeds(python, "-c", "import pip") and not _succeeds(python, "-m", "ensurepip"):
        _succeeds(f"{TOOLS}/uv", "pip", "install", "--no-cache", "--python", python, "pip")
    has_pip = _succeeds(python, "-c", "import pip")
    command = f"{python} -m pip" if has_pip else f"{TOOLS}/uv pip"
    for name in ("pip", "pip3"):
        program = environment / "bin" / name
        if not program.exists():
            program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            program.chmod(0o755)


def own(top: Path) -> None:
    """Touches only what is not the user's yet: a layer holds every file whose owner changes."""
    for path in _below(top):
        if os.lstat(path).st_uid != UID:
            os.chown(path, UID, UID, follow_symlinks=False)


def _below(top: Path) -> Iterator[str]:
    yield str(top)
    for folder, folders, files in os.walk(top):
        yield from (f"{folder}/{name}" for name in (*folders, *files))


def _uv(*words: str) -> None:
    subprocess.run([f"{TOOLS}/uv", *words], check=True)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def install(words: list[str]) -> None:
    """As cells do it: what is installed runs code of strangers, and root is not needed for it."""
    os.setgroups([])
    os.setgid(UID)
    os.setuid(UID)
    python = f"{ENVIRONMENT}/bin/python"
    command = [f"{TOOLS}/uv", "pip", "install", "--no-cache", "--python", python, *words]
    os.execve(command[0], command, {**os.environ, "HOME": HOME, "USER": USER})  # noqa: S606 (no shell is meant)


def fail(sentence: str) -> None:
    sys.exit(SENTENCE + sentence)


def main() -> None:
    if sys.argv[1] == "finish":
        finish()
    elif sys.argv[1] == "own":
        own(Path(ENVIRONMENT))
    elif sys.argv[1] == "pip":
        install(sys.argv[2:])


if __name__ == "__main__":
    main()
