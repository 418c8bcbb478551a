import pytest

from farcell.remote_runtime.api import Image
from farcell.remote_runtime.errors import ImageNotSupported
from farcell.remote_runtime.spawners.docker import image_names
from farcell.remote_runtime.spawners.docker.image_names import Bases, finished_tag, full_name

BASES = Bases("team/default:1", "docker.io/library/python:{python}-slim")
DIGEST = "sha256:" + "0" * 64


def test_an_image_is_built_on_its_base_its_python_or_the_operators_image():
    assert BASES.of(Image.from_registry("pytorch/pytorch:2.4.0")) == "pytorch/pytorch:2.4.0"
    assert BASES.of(Image.debian("3.13").run("true")) == "docker.io/library/python:3.13-slim"
    assert BASES.of(Image.debian().run("true")) == "team/default:1"
    assert BASES.of(Image()) == "team/default:1"
    assert BASES.of(Image(base="debian", python_version="3.12")) == "debian:latest"


def test_an_interpreter_of_the_gateways_machine_is_in_no_container():
    with pytest.raises(
        ImageNotSupported, match="/opt/env/bin/python is an interpreter of the gateway's machine"
    ):
        BASES.tag(Image(python="/opt/env/bin/python"))


def test_the_name_of_what_a_definition_becomes_follows_all_that_makes_it(monkeypatch):
    image = Image.debian().run("true")
    tag = BASES.tag(image)
    assert tag.startswith("farcell-image:")
    assert len(tag) == len("farcell-image:") + 64
    assert BASES.tag(Image.debian().run("true")) == tag
    assert BASES.tag(Image.debian().run("false")) != tag
    assert Bases("team/default:2", BASES.debian).tag(image) != tag
    assert finished_tag(DIGEST, None) != finished_tag(DIGEST, "3.12")
    finished = finished_tag(DIGEST, None)
    monkeypatch.setattr(image_names, "FINISHING", "another way")
    assert BASES.tag(image) != tag
    assert finished_tag(DIGEST, None) != finished


@pytest.mark.parametrize(
    ("reference", "full"),
    [
        ("debian", "debian:latest"),
        ("debian:12", "debian:12"),
        ("localhost:5000/team/a", "localhost:5000/team/a:latest"),
        ("localhost:5000/team/a:1", "localhost:5000/team/a:1"),
        (f"debian@{DIGEST}", f"debian@{DIGEST}"),
        (f"debian:12@{DIGEST}", f"debian:12@{DIGEST}"),
        # the beginning of an id is a name, too
        ("deadbeef", "deadbeef:latest"),
    ],
)
def test_a_reference_names_no_image_by_its_id(reference, full):
    assert full_name(reference) == full


@pytest.mark.parametrize(
    "reference",
    [
        f"farcell-image:{'0' * 64}",
        "docker.io/library/farcell-image:1",
        f"farcell-finished:{'0' * 64}",
        f"sha256:{'0' * 64}",
    ],
)
def test_what_others_defined_is_nothing_to_build_on(reference):
    with pytest.raises(ImageNotSupported, match="name an image of a registry"):
        Bases("debian", "").tag(Image.from_registry(reference))
