"""``farcell kernel``: Farcell in the kernel menus of JupyterLab and VS Code, and under a name for nbclient."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from traitlets import Enum, List, TraitError, Unicode

from ..api import Walls
from ..api.duration import parse_duration
from ..errors import BadRequest, FarcellError
from ..kernel_spec import FarcellKernel, request_of
from .command import DEBUG_FLAG, Command, console, notices
from .request import ISOLATION_HELP, NETWORK_HELP, packages, read_request
from .tables import kernels_table, show

_NAME = r"letters, digits, '-', '_' and '.'"


class InstallKernel(Command):
    name = "farcell kernel install"
    description = (
        "Adds a kernel to Jupyter's menus whose notebooks run on a GPU as a whole, with this Python on this side. "
        "Adding it again replaces it. Without --gpu it is the only kind of GPU that your gateway offers."
    )
    placeholders = {"idle": "TIME", "prefix": "FOLDER", "pip": "PACKAGES"}
    gpu = Unicode(help="what its notebooks run on").tag(config=True)
    spec_name = Unicode(help="its name among Jupyter's kernels").tag(config=True)
    display_name = Unicode(help="its name in menus").tag(config=True)
    idle = Unicode(help="how long it may be idle until it stops").tag(config=True)
    network = Unicode(help="what its containers reach").tag(config=True)
    isolation = Unicode(help="what stands between its containers and their machine").tag(config=True)
    image = Unicode(help="the image that its notebooks run in").tag(config=True)
    pip = List(Unicode(), help="packages to install").tag(config=True)
    place = Enum(["user", "sys-prefix"], "user", help="for whom it is").tag(config=True)
    prefix = Unicode(help="the folder of an installation of Jupyter").tag(config=True)
    aliases: dict[str, Any] = {
        "gpu": ("InstallKernel.gpu", "H100, H100:2, H100,L40S (the first to be had), 24GB or cpu"),
        "name": ("InstallKernel.spec_name", "its name for programs (default: farcell-h100 for an H100)"),
        "display-name": ("InstallKernel.display_name", "its name for people (default: Farcell (H100))"),
        "idle": ("InstallKernel.idle", "the idle time until its session stops (default: 5m)"),
        "network": ("InstallKernel.network", NETWORK_HELP),
        "isolation": ("InstallKernel.isolation", ISOLATION_HELP),
        "image": ("InstallKernel.image", "the name of a saved image, or a registry's reference"),
        "pip": ("InstallKernel.pip", "packages to install first, as in --pip 'torch transformers'"),
        "prefix": ("InstallKernel.prefix", "for a Jupyter that is installed in that folder"),
    }
    flags: dict[str, Any] = {
        "user": ({"InstallKernel": {"place": "user"}}, "for you, in every Jupyter and VS Code (the default)"),
        "sys-prefix": ({"InstallKernel": {"place": "sys-prefix"}}, "for this Python environment alone"),
    } | DEBUG_FLAG

    def run(self) -> None:
        if self.idle:
            parse_duration(self.idle)
        walls = Walls.parse(self.isolation, self.network)
        image = (self.image or None, packages(self.pip))
        kernel = FarcellKernel(read_request(self.gpu), self.idle or None, walls, *image)
        name = (self.spec_name or kernel.default_name).lower()
        specs = KernelSpecManager()
        _refuse_others(specs, name)
        shown = self.display_name or _display_name(kernel, name)
        folder = self._install(specs, name, kernel.document(shown))
        console.print(f"installed {shown} as {name} in {folder}")
        _tell_whether_found(specs, name, folder)

    def _install(self, specs: KernelSpecManager, name: str, document: dict[str, Any]) -> Path:
        prefix = self.prefix or (sys.prefix if self.place == "sys-prefix" else None)
        with tempfile.TemporaryDirectory() as made:
            (Path(made) / "kernel.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
            with as_file(files(__package__) / "logos") as logos:
                shutil.copytree(logos, made, dirs_exist_ok=True)
            try:
                return Path(specs.install_kernel_spec(made, name, user=prefix is None, prefix=prefix))
            except ValueError:
                raise BadRequest(f"{name!r} is no name for a kernel: use {_NAME}") from None
            except OSError as error:
                where = Path(prefix) / "share/jupyter/kernels" if prefix else Path(specs.user_kernel_dir)
                raise FarcellError(
                    f"the kernel can't be written to {where}: {error.strerror or error}"
                    + ("; --user installs it for you alone" if prefix else "")
                ) from error


class ListKernels(Command):
    name = "farcell kernel list"
    description = "Lists the Farcell kernels that Jupyter finds here, and where they are installed."

    def run(self) -> None:
        specs = KernelSpecManager()
        if found := {name: spec for name in specs.find_kernel_specs() if (spec := _own(specs, name))}:
            show(
                kernels_table(
                    (name, spec.display_name, request_of(spec.argv) or "", spec.resource_dir)
                    for name, spec in sorted(found.items())
                )
            )
        else:
            notices.print("no Farcell kernel is installed yet: farcell kernel install --gpu H100")


class RemoveKernels(Command):
    name = "farcell kernel remove"
    description = "Removes Farcell kernels from Jupyter's menus. What runs on goes on."
    arguments = "NAME..."

    def run(self) -> None:
        specs = KernelSpecManager()
        names = list(dict.fromkeys(name.lower() for name in self.extra_args))
        for name in names:
            _refuse_others(specs, name)
            if _own(specs, name) is None:
                there = ", ".join(sorted(filter(lambda one: _own(specs, one), specs.find_kernel_specs())))
                raise BadRequest(f"no Farcell kernel {name!r} is installed; there are: {there or 'none'}")
        for name in names:
            folder = specs.find_kernel_specs()[name]
            try:
                specs.remove_kernel_spec(name)
            except OSError as error:
                raise FarcellError(f"{folder} can't be removed: {error.strerror or error}") from error
            console.print(f"removed {name} from {folder}")


class Kernels(Command):
    name = "farcell kernel"
    description = "Farcell in Jupyter's kernel menus: the whole notebook runs on the GPU."
    arguments = "COMMAND"
    subcommands: dict[str, Any] = {
        "install": (f"{__name__}.InstallKernel", "add a kernel, such as Farcell (H100)"),
        "list": (f"{__name__}.ListKernels", "list Farcell's kernels"),
        "remove": (f"{__name__}.RemoveKernels", "remove kernels"),
    }

    def run(self) -> None:
        raise BadRequest(f"there is no command {self.extra_args[0]!r}: farcell kernel --help")


def _display_name(kernel: FarcellKernel, name: str) -> str:
    """Two kernels for one kind of GPU can be told apart."""
    usual = kernel.default_display_name
    return usual if name == kernel.default_name else f"{usual.removesuffix(')')}, {name})"


def _own(specs: KernelSpecManager, name: str) -> KernelSpec | None:
    """The spec if it is one of Farcell's; one that can't be read is none."""
    try:
        spec = specs.get_kernel_spec(name)
    except (NoSuchKernel, OSError, ValueError, TypeError, TraitError):
        return None
    return spec if request_of(spec.argv) is not None else None


def _refuse_others(specs: KernelSpecManager, name: str) -> None:
    folder = specs.find_kernel_specs().get(name)
    if folder is not None and _own(specs, name) is None:
        raise BadRequest(f"{name!r} is another kernel, not one of Farcell's: {folder}")


def _tell_whether_found(specs: KernelSpecManager, name: str, folder: Path) -> None:
    found = specs.find_kernel_specs().get(name)
    if found is None:
        notices.print(f"a Jupyter that is started here does not look there: JUPYTER_PATH={folder.parents[1]}")
    elif not folder.samefile(found):
        notices.print(f"a Jupyter that is started here finds another {name} first: {found}")
