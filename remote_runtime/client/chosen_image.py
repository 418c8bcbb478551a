"""Which image is meant by what a person typed; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..api import Image, SavedImage
from ..api.image_steps import is_reference
from ..errors import BadRequest

DEFAULT = "default"
"""The word for the spawner's own image, where a session had another."""


def asks_gateway(name: str | None, variables: Mapping[str, Any]) -> bool:
    """Whether the saved images have to be known."""
    return (
        bool(name) and name != DEFAULT and not is_reference(str(name)) and _variable(name, variables) is None
    )


def chosen_image(
    name: str | None,
    pip: Iterable[str],
    saved: Iterable[SavedImage] = (),
    variables: Mapping[str, Any] | None = None,
) -> Image | None:
    """None where nothing was chosen. A notebook's variable goes before a saved image of that name.

    Raises `BadRequest` for a name that is neither, and no registry's reference.
    """
    packages = tuple(pip)
    if not name:
        return Image().pip_install(*packages) if packages else None
    image = _named(name, list(saved), variables or {})
    return image.pip_install(*packages) if packages else image


def _named(name: str, saved: list[SavedImage], variables: Mapping[str, Any]) -> Image:
    if name == DEFAULT:
        return Image()
    if (found := _variable(name, variables)) is not None:
        return found
    for one in saved:
        if one.name == name:
            return one.image
    if is_reference(name):
        return Image.from_registry(name)
    names = ", ".join(one.name for one in saved) or "none"
    raise BadRequest(
        f"{name!r} is no variable with an Image here, and no saved image (there are: {names}); "
        f"for a registry's write it with its tag, as in {name}:latest"
    )


def _variable(name: str | None, variables: Mapping[str, Any]) -> Image | None:
    found = variables.get(name or "")
    return found if isinstance(found, Image) else None
