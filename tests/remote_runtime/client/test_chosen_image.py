"""Which image is meant by --image and --pip."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from farcell.remote_runtime.api import Image, SavedImage
from farcell.remote_runtime.client.chosen_image import asks_gateway, chosen_image
from farcell.remote_runtime.errors import BadRequest

MINE = Image.debian().pip_install("tqdm")
KEPT = SavedImage("kept", Image.debian().pip_install("torch"), datetime(2026, 1, 1, tzinfo=UTC))
VARIABLES = {"mine": MINE, "number": 3}


def test_nothing_chosen_is_none():
    assert chosen_image(None, ()) is None
    assert chosen_image("", []) is None


def test_packages_alone_come_on_the_spawners_own_image():
    assert chosen_image(None, ("torch", "pandas>=2")) == Image().pip_install("torch", "pandas>=2")


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("mine", MINE),
        ("kept", KEPT.image),
        ("default", Image()),
        ("pytorch/pytorch:2.4.0", Image.from_registry("pytorch/pytorch:2.4.0")),
    ],
)
def test_a_name_is_a_variable_a_saved_image_or_a_reference(name, image):
    assert chosen_image(name, (), [KEPT], VARIABLES) == image
    assert chosen_image(name, ("einops",), [KEPT], VARIABLES) == image.pip_install("einops")


def test_a_variable_goes_before_a_saved_image():
    assert chosen_image("mine", (), [SavedImage("mine", Image(), KEPT.saved_at)], VARIABLES) == MINE


@pytest.mark.parametrize("name", ["nothing", "number", "python"])
def test_a_name_that_is_none_of_these_is_refused_with_those_that_there_are(name):
    with pytest.raises(BadRequest, match=rf"{name!r} is no variable.*there are: kept.*{name}:latest"):
        chosen_image(name, (), [KEPT], VARIABLES)


def test_the_gateway_is_asked_only_for_what_can_be_saved_there():
    asked = [name for name in (None, "default", "mine", "a/b:c", "kept") if asks_gateway(name, VARIABLES)]
    assert asked == ["kept"]
