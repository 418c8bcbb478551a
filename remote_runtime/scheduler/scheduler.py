"""The scheduler: a queue, the stock, and who starts next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..api import Device, GpuTable, Lease, Offer, QueuePlace, Request, SessionId, Walls, device_label
from ..errors import NoSuchOffer
from .matching import NO_WALLS, Option, options, refusal
from .queue import Queue, Waiting, before
from .reason import reason
from .stock import Grant, Holding, OfferKey, Stock, Tally
from .wait import Durations, expected_wait

FAIR_SHARE_S = 600.0


class Scheduler:
    """Gives offers to sessions.

    Each offer serves those who accept it in their turn (`Queue` says whose that is). Whoever finds an offer
    free takes it; whoever is next and needs more than is free keeps what is free from those behind, and so is
    never starved by a stream of smaller requests; unless foreign processes hold so much that waiting could
    not help.

    Every `now` is of one clock, in seconds. Nothing here waits or fails half-way.
    """

    def __init__(self, table: GpuTable, fair_share_s: float = FAIR_SHARE_S) -> None:
        self.table = table
        """The GPU types that can be asked for: with those that are offered, though the table lacked them."""
        self._stock = Stock()
        self._queue = Queue(fair_share_s)
        self._durations = Durations()

    def update(self, offers: Iterable[Offer]) -> None:
        """The newest offers of all spawners; an offer that is missing gives nothing until it is back."""
        offers = list(offers)
        self._stock.replace_offers(offers)
        self.table = self.table.including(filter(None, (offer.gpu_type for offer in offers)))

    def check(self, request: Request, walls: Walls = NO_WALLS) -> None:
        """Raises what `submit` would."""
        if not self._options(request, walls):
            raise refusal(request, list(self._stock.offers.values()), self.table, walls)

    def spawners(self, request: Request, walls: Walls = NO_WALLS) -> list[str]:
        """Those that could ever fulfil the request, in the order in which they are tried."""
        return list(dict.fromkeys(option.offer.spawner for option in self._options(request, walls)))

    def submit(
        self, session_id: SessionId, owner: str, request: Request, now: float, walls: Walls = NO_WALLS
    ) -> None:
        """Queues a session; does nothing when it waits or holds something already.

        Raises `NoSuchOffer` when no offer, even when all of it is free, fulfils any choice within such walls;
        `UnknownGpu` for a type that the table lacks.
        """
        if session_id in self._queue or session_id in self._stock.holdings:
            return
        self.check(request, walls)
        self._join(Waiting(session_id, owner, request, walls), now)

    def rejoin(
        self, session_id: SessionId, owner: str, request: Request, since: float, walls: Walls = NO_WALLS
    ) -> None:
        """Queues a session that waited already before a gateway's restart, also while nothing fulfils its request.

        To be called in the order in which they joined. They keep their places, but get nothing before `come`.
        """
        self._join(Waiting(session_id, owner, request, walls, absent=True), since)

    def come(self, session_id: SessionId) -> None:
        """Somebody waits for it again; silent when it is not in the queue."""
        self._queue.come(session_id)

    def keep_to(self, session_id: SessionId, spawners: frozenset[str]) -> None:
        """Only those have what it needs to start; silent when it is not in the queue."""
        self._queue.keep_to(session_id, spawners)

    def withdraw(self, session_id: SessionId) -> None:
        """Leaves the queue; silent when it does not wait."""
        self._queue.leave(session_id)

    def hold(self, lease: Lease, owner: str, since: float) -> None:
        """Takes over a lease that runs already (after a gateway's restart); may be called twice."""
        key = OfferKey(lease.spawner, lease.offer, lease.simulated)
        self._take(lease.session_id, Holding(owner, key, lease.count, frozenset(lease.devices), since))

    def release(self, session_id: SessionId, now: float) -> None:
        """A lease has ended: what it held is free; silent when it held nothing."""
        holding = self._stock.holdings.pop(session_id, None)
        if holding:
            self._durations.add(holding.offer, now - holding.since)

    def place(self, now: float) -> list[Grant]:
        """Who starts now, next first; they hold what they are granted until `release`."""
        kept: set[OfferKey] = set()
        grants = []
        for waiting in self._queue.line():
            if waiting.absent:
                continue
            choices = self._options_of(waiting)
            option = next((option for option in choices if self._fits(option, kept)), None)
            if option:
                grants.append(self._grant(waiting, option, now))
            else:
                kept |= {option.key for option in choices if self._worth_keeping(option)}
        return grants

    def queue_place(self, session_id: SessionId, now: float) -> QueuePlace | None:
        """Where a session stands among those who accept an offer that it accepts; None when it does not wait.

        Who stands first is the next to start on one of its offers.
        """
        line = self._queue.line()
        waiting = next((waiting for waiting in line if waiting.session_id == session_id), None)
        if waiting is None:
            return None
        choices = self._options_of(waiting)
        if not choices:
            return QueuePlace(1, f"{waiting.request} is not offered at the moment")
        ahead = self._rivals(before(line, session_id), choices)
        why = reason(self._tallies(choices), choices[0].count, len(ahead))
        return QueuePlace(len(ahead) + 1, why, self._expected_wait(choices, ahead, now))

    def free_offers(self) -> list[Offer]:
        """The offers with what leases hold taken off `count_free`, in the order of `update`."""
        stock = self._stock
        return [replace(offer, count_free=stock.tally(offer).free) for offer in stock.offers.values()]

    def offer(self, lease: Lease) -> Offer | None:
        """What a lease was granted, as its spawner offers it now."""
        return self._stock.offers.get(OfferKey(lease.spawner, lease.offer, lease.simulated))

    def devices(self, lease: Lease) -> tuple[Device, ...]:
        """What a lease holds, as its spawner offers it now; raises `NoSuchOffer` where it does so no more."""
        offer = self.offer(lease)
        offered = {device.uuid: device for device in offer.devices} if offer else {}
        if offer is None or not offered.keys() >= {*lease.devices}:
            raise NoSuchOffer(f"{lease.label} is not offered any more")
        return tuple(offered[uuid] for uuid in lease.devices)

    def _join(self, newcomer: Waiting, now: float) -> None:
        held = sum(
            holding.count for holding in self._stock.holdings.values() if holding.owner == newcomer.owner
        )
        self._queue.join(newcomer, held, now)

    def _options_of(self, waiting: Waiting) -> list[Option]:
        found = self._options(waiting.request, waiting.walls)
        return [one for one in found if waiting.spawners is None or one.offer.spawner in waiting.spawners]

    def _options(self, request: Request, walls: Walls) -> list[Option]:
        return options(request, self._stock.offers.values(), self.table, walls)

    def _fits(self, option: Option, kept: set[OfferKey]) -> bool:
        return option.key not in kept and option.count <= self._stock.tally(option.offer).free

    def _worth_keeping(self, option: Option) -> bool:
        return option.count <= self._stock.tally(option.offer).usable

    def _grant(self, waiting: Waiting, option: Option, now: float) -> Grant:
        grant = self._stock.grant(waiting.session_id, option.offer, option.count)
        uuids = frozenset(device.uuid for device in grant.devices)
        self._take(waiting.session_id, Holding(waiting.owner, option.key, option.count, uuids, now))
        return grant

    def _take(self, session_id: SessionId, holding: Holding) -> None:
        self._queue.leave(session_id)
        self._stock.holdings[session_id] = holding

    def _rivals(self, ahead: Iterable[Waiting], choices: Sequence[Option]) -> list[list[Option]]:
        """For each of those ahead who accepts one of the same offers, what they accept."""
        keys = {option.key for option in choices}
        wanted = (self._options_of(waiting) for waiting in ahead)
        return [theirs for theirs in wanted if any(option.key in keys for option in theirs)]

    def _tallies(self, choices: Sequence[Option]) -> dict[str, Tally]:
        """By label, first choice first; the same GPU at two spawners is counted together."""
        tallies: dict[str, Tally] = {}
        for offer in {option.key: option.offer for option in choices}.values():
            label = device_label(offer.name, 1, simulated=offer.simulated)
            tallies[label] = tallies.get(label, Tally()) + self._stock.tally(offer)
        return tallies

    def _expected_wait(
        self, choices: Sequence[Option], ahead: Sequence[Sequence[Option]], now: float
    ) -> float | None:
        waits = (self._expected_wait_for(option, ahead, now) for option in choices)
        return min((wait for wait in waits if wait is not None), default=None)

    def _expected_wait_for(
        self, option: Option, ahead: Sequence[Sequence[Option]], now: float
    ) -> float | None:
        """As if all those ahead who accept this offer took it."""
        typical = self._durations.typical(option.key)
        if typical is None:
            return None
        free = [0.0] * self._stock.tally(option.offer).free
        held = [
            self._durations.remaining(option.key, now - holding.since)
            for holding in self._stock.holdings_of(option.key)
            for _ in range(holding.count)
        ]
        counts = [next((other.count for other in theirs if other.key == option.key), 0) for theirs in ahead]
        return expected_wait([*free, *held], list(filter(None, counts)), option.count, typical)
