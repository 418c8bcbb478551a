"""The environment that a container starts with: a short list of the gateway's own variables, and what is its own."""

from __future__ import annotations

import os
import site
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from .caches import cache_environment
from .containment import Labels
from .contract import ContainerSpec

ALLOWED = (
    *("PATH", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL"),
    *("LD_LIBRARY_PATH", "CUDA_*", "NVIDIA_*", "NCCL_*"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
)
"""What a container gets of the gateway's environment: where programs and libraries are, how to speak, and the way out.

All else stays outside, since it may be a secret (cloud keys, an agent's socket) or would tie the container to the
gateway's own environment (PYTHON*, VIRTUAL_ENV).
"""


def container_environment(
    gateway: Mapping[str, str], spec: ContainerSpec, labels: Labels, home: Path
) -> dict[str, str]:
    """`CUDA_VISIBLE_DEVICES` is empty, not absent, without a real device: absent would mean all of the machine's."""
    allowed = {
        name: value for name, value in gateway.items() if any(fnmatchcase(name, one) for one in ALLOWED)
    }
    return {
        "PATH": os.defpath,
        **allowed,
        "HOME": str(home),
        **cache_environment(spec.cache.absolute()),
        "CUDA_VISIBLE_DEVICES": ",".join(device.uuid for device in spec.devices if not device.simulated),
        **_user_packages(spec),
        **labels.environment,
    }


def _user_packages(spec: ContainerSpec) -> dict[str, str]:
    """An image that is an existing environment has what ``pip install --user`` put beside it, in the old home."""
    return {"PYTHONUSERBASE": site.getuserbase()} if spec.image.python else {}
