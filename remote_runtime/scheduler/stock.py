"""What the offers have, and what leases hold of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..api import Device, Nanos, Offer, SessionId


class OfferKey(NamedTuple):
    """What an offer is known by from one reading of the spawners to the next."""

    spawner: str
    name: str
    simulated: bool

    @classmethod
    def of(cls, offer: Offer) -> OfferKey:
        return cls(offer.spawner, offer.name, offer.simulated)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a session's next lease holds: `count` of an offer; `devices` in the offer's order, or empty."""

    session_id: SessionId
    offer: Offer
    count: int
    devices: tuple[Device, ...]

    @property
    def price_nanos_per_s(self) -> Nanos:
        """For all that the lease holds."""
        return Nanos(self.count * self.offer.price_nanos_per_s)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a running lease holds, and since when; `uuids` are its devices', empty where it was given none."""

    owner: str
    offer: OfferKey
    count: int
    uuids: frozenset[str]
    since: float


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of an offer's devices are held by leases, used from outside Farcell, and free."""

    total: int = 0
    held: int = 0
    foreign: int = 0
    free: int = 0

    @property
    def usable(self) -> int:
        """What leases could hold now if none held any."""
        return self.held + self.free

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.total + other.total,
            self.held + other.held,
            self.foreign + other.foreign,
            self.free + other.free,
        )


@dataclass(slots=True)
class Stock:
    """The newest offers, in the spawners' order, and the holdings of all sessions.

    A device is taken wherever its uuid is held, also when two spawners offer it.
    """

    offers: dict[OfferKey, Offer] = field(default_factory=dict)
    holdings: dict[SessionId, Holding] = field(default_factory=dict)

    def replace_offers(self, offers: Iterable[Offer]) -> None:
        self.offers = {OfferKey.of(offer): offer for offer in offers}

    def holdings_of(self, key: OfferKey) -> list[Holding]:
        return [holding for holding in self.holdings.values() if holding.offer == key]

    def tally(self, offer: Offer) -> Tally:
        if offer.devices:
            return self._tally_devices(offer)
        held = sum(holding.count for holding in self.holdings_of(OfferKey.of(offer)))
        free = max(0, offer.count_free - held)
        return Tally(offer.count_total, held, offer.count_total - offer.count_free, free)

    def free_devices(self, offer: Offer) -> list[Device]:
        """In the offer's order: neighbours there are near each other on the machine's bus."""
        taken = self._taken()
        return [device for device in offer.devices if device.uuid not in taken and not device.foreign]

    def grant(self, session_id: SessionId, offer: Offer, count: int) -> Grant:
        """The first `count` free devices of an offer that has so many; does not take them."""
        return Grant(session_id, offer, count, tuple(self.free_devices(offer)[:count]))

    def _tally_devices(self, offer: Offer) -> Tally:
        taken, free = self._taken(), len(self.free_devices(offer))
        held = sum(device.uuid in taken for device in offer.devices)
        return Tally(len(offer.devices), held, len(offer.devices) - held - free, free)

    def _taken(self) -> set[str]:
        return {uuid for holding in self.holdings.values() for uuid in holding.uuids}
