"""The harness's pure parts: orders, medians, ratios, pages."""

from __future__ import annotations

import pytest
from benchmarks.harness.model import Benchmark, Contender, Measured, Row, Sample, Task
from benchmarks.harness.report import Report, put_section, to_markdown
from benchmarks.harness.rounds import measure_rounds, order_of
from benchmarks.harness.summary import explain, percentile, summarise

BENCHMARK = Benchmark(
    name="example",
    title="An example",
    tasks=(Task("one", "1", aim="≤ 1.3"), Task("two", "2", "s")),
    contenders=(Contender("bare", "none"), Contender("ours", "none", ours=True)),
    baseline="bare",
    rounds=4,
    quick_rounds=1,
    warm_up=2,
)


def row(contender: str, p50: float, p95: float, ratio: float) -> Row:
    return Row("one", contender, ours=contender == "ours", p50=p50, p95=p95, ratio=ratio, samples=3)


def test_each_round_has_every_contender_once_in_an_order_that_is_the_same_in_every_run():
    orders = list(order_of(["a", "b", "c"], 20))
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert orders == list(order_of(["a", "b", "c"], 20))


def test_warm_up_rounds_are_measured_and_dropped():
    asked: list[tuple[str, str]] = []

    def measure(contender: str, request: str) -> Measured:
        asked.append((contender, request))
        return Measured(1.0)

    told: list[int] = []
    samples = measure_rounds(BENCHMARK, 3, measure, told.append)
    assert len(asked) == (2 + 3) * 4
    assert len(samples) == 3 * 4
    assert {sample.round for sample in samples} == {2, 3, 4}
    assert told == [0, 1, 2, 3, 4]


def test_ratios_are_those_of_medians():
    values = {"bare": (0.9, 1.0, 5.0), "ours": (1.5, 1.0, 1.2)}
    samples = [
        Sample(contender, task, number, value)
        for contender, found in values.items()
        for task in ("one", "two")
        for number, value in enumerate(found)
    ]
    first, second, *_ = summarise(BENCHMARK, samples)
    assert first == row("bare", 1.0, 5.0, 1.0)
    assert second == row("ours", 1.2, 1.5, 1.2)


@pytest.mark.parametrize(("percent", "expected"), [(50, 10), (95, 19), (100, 20), (1, 1)])
def test_a_percentile_is_one_of_the_values(percent: float, expected: float):
    assert percentile(range(1, 21), percent) == expected


def test_steps_are_explained_by_their_median_offsets_in_order_of_time():
    traces = [(("late", 0.3), ("early", 0.1)), (("late", 0.5), ("early", 0.1)), (("late", 0.4),)]
    samples = [Sample("ours", "one", number, 1.0, trace) for number, trace in enumerate(traces)]
    assert explain(samples, "ours") == [("early", 0.1), ("late", 0.4)]
    assert explain(samples, "bare") == []


def test_a_page_keeps_its_other_sections():
    page = put_section("", "## first\n\none\n")
    page = put_section(page, "## second\n\ntwo\n")
    page = put_section(page, "## first\n\nthree\n")
    assert page.startswith("# Benchmarks\n")
    assert page.endswith("## first\n\nthree\n\n## second\n\ntwo\n")


def test_a_section_names_the_command_and_shows_aims_beside_our_own_rows_alone():
    rows = (row("bare", 0.001, 0.002, 1.0), row("ours", 0.0012, 0.003, 1.2))
    report = Report(BENCHMARK, rows, (), "2026-01-01", "2 cores", "farcell 1", "python it.py --rounds 3", 3)
    section = to_markdown(report)
    assert "```\npython it.py --rounds 3\n```" in section
    assert "| one | bare | 1.00 ms | 2.00 ms | 1 |  |" in section
    assert "| one | ours | 1.20 ms | 3.00 ms | 1.20 | ≤ 1.3 |" in section


def test_who_lost_something_is_marked_as_such():
    samples = [Sample(name, task, 1, 1.0, lost=0.25) for name in ("bare", "ours") for task in ("one", "two")]
    samples[0] = Sample("bare", "one", 1, 1.0)
    rows = summarise(BENCHMARK, samples)
    report = Report(BENCHMARK, rows, (), "2026-01-01", "2 cores", "farcell 1", "python it.py --rounds 1", 1)
    section = to_markdown(report)
    assert "| to baseline | aim | lost |" in section
    assert "| one | bare | 1000.00 ms | 1000.00 ms | 1 |  | nothing |" in section
    assert "| one | ours | 1000.00 ms | 1000.00 ms | 1.00 | ≤ 1.3 | 25.00% |" in section
