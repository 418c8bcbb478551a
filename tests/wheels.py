"""Packages and an index made on the spot, so that what installs packages needs no network."""

from __future__ import annotations

import zipfile
from pathlib import Path


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
