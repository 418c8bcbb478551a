"""The gateway's figures in Prometheus' text format, read when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from . import book

if TYPE_CHECKING:
    from .application import Gateway


class Metrics:
    """A collector over what the gateway knows anyway; it counts nothing of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._charged: dict[bool, int] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    async def render(self) -> bytes:
        await self._gateway.places.refresh()
        self._charged = await self._gateway.database.read(book.totals)
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield self._sessions()
        yield from self._offers()
        yield self._messages()
        charged = CounterMetricFamily("farcell_charged_nanodollars", "Charged so far", labels=["simulated"])
        for simulated, nanos in self._charged.items():
            charged.add_metric([str(simulated).lower()], nanos)
        yield charged

    def _sessions(self) -> Metric:
        gauge = GaugeMetricFamily("farcell_sessions", "Sessions that wait or run", labels=["state"])
        for state, count in Counter(live.state.value for live in self._gateway.keeper.live.values()).items():
            gauge.add_metric([state], count)
        return gauge

    def _offers(self) -> Iterator[Metric]:
        total = GaugeMetricFamily(
            "farcell_offer_total", "Devices offered", labels=["offer", "spawner", "simulated"]
        )
        free = GaugeMetricFamily(
            "farcell_offer_free", "Devices free", labels=["offer", "spawner", "simulated"]
        )
        for offer in self._gateway.places.scheduler.free_offers():
            labels = [offer.name, offer.spawner, str(offer.simulated).lower()]
            total.add_metric(labels, offer.count_total)
            free.add_metric(labels, offer.count_free)
        yield from (total, free)

    def _messages(self) -> Metric:
        relayed = sum(live.relay.relayed for live in self._gateway.keeper.live.values())
        return GaugeMetricFamily(
            "farcell_messages", "Kernel messages relayed for live sessions", value=relayed
        )
