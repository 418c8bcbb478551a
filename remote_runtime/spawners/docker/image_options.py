"""What an operator can set of the Docker spawner's images in ``farcell_config.py``."""

from __future__ import annotations

from traitlets import Dict, Float, Int, Unicode
from traitlets.config import Configurable

from ..contract import SpawnerSetup
from .build_settings import BuildSettings
from .image_names import Bases
from .image_uses import KeepRules

DEFAULT_IMAGE = "docker.io/library/python:3.12-slim-bookworm"


class ImageOptions(Configurable):
    """What stands under ``c.DockerSpawner``, of images."""

    image = Unicode(DEFAULT_IMAGE, help="what a container has that asks for no image").tag(config=True)
    debian_image = Unicode(
        "docker.io/library/python:{python}-slim-bookworm",
        help="what images are built on that ask for a Python and name no base; {python} is its minor",
    ).tag(config=True)
    build_network = Unicode(
        "egress", help="what builds reach: egress (the gateway's proxy), none, or a network of the engine's"
    ).tag(config=True)
    build_arguments = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="environment variables of builds, which images don't keep: {'UV_DEFAULT_INDEX': 'https://…'}",
    ).tag(config=True)
    build_memory_bytes = Int(None, allow_none=True, help="memory of a build's step; None is no limit").tag(
        config=True
    )
    build_cgroup_parent = Unicode("", help="the control group that builds' steps are in").tag(config=True)
    images_unused_days = Float(
        30.0, allow_none=True, help="images not used for so long are removed; None keeps them"
    ).tag(config=True)
    images_max_bytes = Int(
        200 << 30, allow_none=True, help="what images may take beside their bases; None is no limit"
    ).tag(config=True)

    def build_settings(self, setup: SpawnerSetup) -> BuildSettings:
        days = self.images_unused_days
        return BuildSettings(
            bases=Bases(self.image, self.debian_image),
            folder=setup.folder / "builds",
            archives=setup.image_files,
            network=self.build_network,
            egress=setup.build_egress,
            arguments=self.build_arguments,
            keep=KeepRules(None if days is None else days * 86_400, self.images_max_bytes),
            memory_bytes=self.build_memory_bytes,
            cgroup_parent=self.build_cgroup_parent,
        )
