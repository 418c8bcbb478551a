"""What a container's programs are told so that what they download lies in its owner's cache."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

VARIABLES = {
    "XDG_CACHE_HOME": "",
    "HF_HOME": "huggingface",
    "TORCH_HOME": "torch",
    "PIP_CACHE_DIR": "pip",
    "UV_CACHE_DIR": "uv",
    "CUDA_CACHE_PATH": "cuda",
}
"""Variables, and the folder in the cache that each names: the same that its program would take below XDG_CACHE_HOME."""


_WHOLE: tuple[tuple[tuple[str, ...], int], ...] = (
    (("huggingface", "hub"), 3),
    (("huggingface", "datasets"), 3),
    (("huggingface",), 2),
    (("torch", "hub", "checkpoints"), 4),
    (("torch", "hub"), 3),
    (("pip", "http-v2", "*"), 4),
    (("pip", "http", "*"), 4),
    (("pip", "wheels", "*"), 4),
    (("pip",), 2),
)
"""Below which folders, and how many levels down, is what goes as a whole; the first that fits."""


def cache_environment(cache: PurePath) -> dict[str, str]:
    """For a container that sees its owner's cache at that path."""
    return {name: str(cache / folder) for name, folder in VARIABLES.items()}


def entry_of(parts: tuple[str, ...]) -> tuple[str, ...]:
    """What a file of a cache, given by its path in there, is a part of: it goes as a whole, or stays.

    A model of Hugging Face's is links from its snapshots to its blobs; what uv unpacked is linked from elsewhere in its
    cache; of pip's answers, head and body are two files side by side. Of what is not known, the whole folder.
    """
    return parts[: next((levels for pattern, levels in _WHOLE if _fits(parts, pattern)), 1)]


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(parts) > len(pattern) and all(
        one in ("*", part) for one, part in zip(pattern, parts, strict=False)
    )


KEPT: Iterable[tuple[str, ...]] = (("huggingface", "token"), ("huggingface", "stored_tokens"))
"""Who one is at Hugging Face is no download, and small."""
