"""Which offers a request accepts, in which order; and what to say when there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..api import Choice, GpuTable, GpuType, Isolation, Offer, Request, Walls
from ..errors import NoSuchOffer
from .stock import OfferKey


@dataclass(frozen=True, slots=True)
class Option:
    """One way to fulfil a request: `count` of an offer (1 of a plain CPU)."""

    offer: Offer
    count: int

    @property
    def key(self) -> OfferKey:
        return OfferKey.of(self.offer)


NO_WALLS = Walls()


def has_walls(offer: Offer, walls: Walls) -> bool:
    """Whether a container of that offer can stand within them. What nothing isolates has the machine's network."""
    isolation = walls.isolation or offer.isolation
    can_be_had = isolation in offer.isolations or isolation is offer.isolation
    return can_be_had and (walls.network is None or isolation is not Isolation.NONE)


def needed(choice: Choice) -> int:
    """How many of an offer a choice takes; a plain CPU is one."""
    return max(1, choice.count)


def options(
    request: Request, offers: Iterable[Offer], table: GpuTable, walls: Walls = NO_WALLS
) -> list[Option]:
    """All that could ever fulfil the request within such walls, in the order in which they are tried.

    The request's choices in their order; for each, real devices before simulated ones, then by price, then by
    the spawner's name. What is free now plays no part.
    """
    ranked = sorted((offer for offer in offers if has_walls(offer, walls)), key=_preference)
    return [
        Option(offer, needed(choice))
        for choice in request.choices
        for offer in ranked
        if _accepts(choice, offer, table) and needed(choice) <= offer.count_total
    ]


def refusal(
    request: Request, offers: Sequence[Offer], table: GpuTable, walls: Walls = NO_WALLS
) -> NoSuchOffer:
    """What to raise for a request without options.

    Raises `UnknownGpu` itself when the table lacks a type that was asked for.
    """
    for choice in request.choices:
        if choice.gpu:
            table.find(choice.gpu)
    if without := options(request, offers, table):
        return _wall_refusal(request, walls, [option.offer for option in without])
    have = [
        _counted(offer) for offer in sorted(offers, key=lambda offer: (not offer.gpu, _preference(offer)))
    ]
    there_is = f"all that is here: {_listed(have, 'and')}" if have else "nothing is offered here now"
    ways = [f"`%%gpu {way}`" for way in _ways(request, offers, table)]
    elsewhere = "`farcell login URL` for a gateway that has it"
    message = f"{request} can't be had; {there_is}. Type {_listed([*ways, elsewhere], 'or')}."
    return NoSuchOffer(message, asked=str(request), offered=have)


def _wall_refusal(request: Request, walls: Walls, offers: Sequence[Offer]) -> NoSuchOffer:
    """There is what was asked for, but not within such walls."""
    spawners = _listed(list(dict.fromkeys(offer.spawner for offer in offers)), "and")
    given = list(
        dict.fromkeys(one.value for offer in offers for one in offer.isolations or (offer.isolation,))
    )
    if walls.isolation is not None and walls.isolation.value not in given:
        why = f"isolation {_listed(given, 'or')} is all that {spawners} has here"
    else:
        why = f"containers of {spawners} have the network of the machine, and no walls"
    ways = "leave that out, or ask the gateway's operator for a spawner that makes walls, such as docker"
    return NoSuchOffer(f"{request} can't be had with {walls}: {why}; {ways}.", asked=str(request))


def _preference(offer: Offer) -> tuple[bool, int, str, str]:
    return (offer.simulated, offer.price_nanos_per_s, offer.spawner, offer.name)


def _accepts(choice: Choice, offer: Offer, table: GpuTable) -> bool:
    """By the table's memory, the card's name-plate: a driver reports a little less."""
    if offer.gpu is None:
        return not choice.count
    unlisted = GpuType(offer.gpu, (), offer.memory_bytes, offer.price_nanos_per_s)
    return choice.accepts(table.get(offer.gpu) or unlisted)


def _ways(request: Request, offers: Sequence[Offer], table: GpuTable) -> list[str]:
    """What could be typed here instead: fewer of the same, else the smallest GPUs; and a plain CPU."""
    fewer = [
        str(replace(choice, count=offer.count_total))
        for choice in request.choices
        for offer in offers
        if offer.count_total and choice.count and _accepts(choice, offer, table)
    ]
    gpus = sorted((offer for offer in offers if offer.gpu), key=lambda offer: offer.memory_bytes)
    plain = ["cpu"] if any(offer.gpu is None for offer in offers) else []
    others = fewer or [offer.name for offer in gpus]
    return [*list(dict.fromkeys(others))[:2], *plain]


def _counted(offer: Offer) -> str:
    """``2 H100``, ``4 T4 (simulated)``, ``cpu``."""
    return f"{offer.count_total} {offer.label}" if offer.gpu else offer.name


def _listed(words: Sequence[str], conjunction: str) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
