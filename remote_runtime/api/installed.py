"""The packages of this Python, as requirements that install the same elsewhere."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .direct_url import requirement

NOTEBOOK_SIDE = frozenset(
    {
        *("farcell", "jupyter", "jupyterlab", "notebook", "nbclassic", "jupyter-server", "jupyterhub"),
        *("jupyter-console", "voila", "papermill", "pip", "uv", "wheel"),
        *("jupyterlab-server", "jupyter-lsp", "jupyter-server-terminals", "jupyter-events", "notebook-shim"),
        *("jupyterlab-pygments", "terminado", "argon2-cffi", "argon2-cffi-bindings", "send2trash"),
    }
)
"""What serves notebooks on this side, and what is of use to nothing else."""
MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Installed:
    """`requirement` is None for what exists on this machine alone; `needs` are names of other distributions.

    `unasked`: nobody has asked for it by name. uv says so of nothing.
    """

    name: str
    requirement: str | None
    needs: frozenset[str]
    unasked: bool = False


def python_minor() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def requirements_of_this_environment() -> tuple[str, ...]:
    """By name. Warns of what is left out because it was installed from a folder of this machine."""
    found = {one.name: one for one in map(_read, distributions()) if one}
    wanted = far_side(found)
    local = sorted(name for name in wanted if found[name].requirement is None)
    if local:
        named = ", ".join(local[:MAX_NAMED]) + (" …" if len(local) > MAX_NAMED else "")
        warnings.warn(
            f"installed from folders of this machine, and so left out of the image: {named}; copy() can bring them",
            stacklevel=3,
        )
    return tuple(text for name in sorted(wanted) if (text := found[name].requirement))


def far_side(found: Mapping[str, Installed]) -> set[str]:
    """All but the notebook side, and what was only installed for its sake."""
    beneath = _with_needs(NOTEBOOK_SIDE & found.keys(), found)
    rest = {
        name
        for name, one in found.items()
        if name not in NOTEBOOK_SIDE and not (name in beneath and one.unasked)
    }
    return _with_needs(rest, found) - NOTEBOOK_SIDE


def _with_needs(names: Iterable[str], found: Mapping[str, Installed]) -> set[str]:
    reached: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name in found and name not in reached:
            reached.add(name)
            ahead.extend(found[name].needs)
    return reached


def _read(distribution: Distribution) -> Installed | None:
    name, version = distribution.metadata["Name"], distribution.metadata["Version"]
    if not name or not version:
        return None  # what an uninstallation left
    return Installed(
        name=canonicalize_name(name),
        requirement=requirement(name, version, distribution.read_text("direct_url.json")),
        needs=frozenset(_needs(distribution)),
        unasked=distribution.read_text("REQUESTED") is None,
    )


def _needs(distribution: Distribution) -> Iterable[str]:
    """Of no extra: which of them were asked for is not written down."""
    for text in distribution.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)
