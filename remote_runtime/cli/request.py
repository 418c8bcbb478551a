"""What is typed after ``--gpu``."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from ..api import Offer, Request, default_table
from ..api.image_steps import split_words
from ..errors import BadRequest, UnknownGpu

NETWORK_HELP = "none, egress (every public host) or hosts such as pypi.org,*.huggingface.co"
ISOLATION_HELP = "container or sandbox"


def read_request(text: str) -> Request:
    """A type that Farcell does not know may still be one that the gateway has found in its machine.

    An empty text means the only kind of GPU that the gateway offers; raises `BadRequest` where there are others.
    """
    if not text:
        offers = _offers()
        return _parse(_only_kind(offers), offers)
    try:
        return Request.parse(text)
    except UnknownGpu:
        return _parse(text, _offers())


def _offers() -> list[Offer]:
    from ..client.blocking import Client

    with closing(Client()) as client:
        return client.offers()


def _parse(text: str, offers: list[Offer]) -> Request:
    return Request.parse(text, default_table().including(filter(None, (offer.gpu_type for offer in offers))))


def _only_kind(offers: list[Offer]) -> str:
    gpus = {offer.name for offer in offers if offer.gpu}
    kinds = gpus or {offer.name for offer in offers}
    if len(kinds) != 1:
        labels = ", ".join(offer.label for offer in offers) or "nothing at the moment"
        raise BadRequest(f"say what to run on, such as --gpu H100; your gateway offers {labels}")
    return kinds.pop()


def packages(given: Iterable[str]) -> tuple[str, ...]:
    """Each may name several; raises `BadRequest` for what can't be read."""
    return tuple(word for words in given for word in split_words(words))
