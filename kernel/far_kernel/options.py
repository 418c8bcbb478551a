"""What a kernel spec's arguments say of the session; an empty text was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traitlets import Unicode
from traitlets.config import Configurable

if TYPE_CHECKING:
    from .session_spec import Asked


class SessionOptions(Configurable):
    """Part of the kernel itself: they stand under ``c.FarcellKernel``."""

    gpu = Unicode("cpu", help="what cells run on: H100, h100:2, H100,L40S, 24GB, cpu").tag(config=True)
    session_name = Unicode("", help="the session's name; by default that of its first GPU").tag(config=True)
    idle = Unicode("", help="the idle time after which the session stops, such as 10m").tag(config=True)
    network = Unicode("", help="what its container reaches: none, egress, or host names").tag(config=True)
    isolation = Unicode("", help="container or sandbox").tag(config=True)
    image = Unicode("", help="a saved image's name, or a registry's reference").tag(config=True)
    pip = Unicode("", help="packages to install, such as 'torch transformers'").tag(config=True)

    @property
    def asked(self) -> Asked:
        """Imported when a session is asked for: a kernel's start does without."""
        from .session_spec import Asked

        walls = (self.network, self.isolation)
        return Asked(self.gpu, self.session_name, self.idle, *walls, self.image, self.pip)
