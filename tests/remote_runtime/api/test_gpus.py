from datetime import date
from decimal import Decimal

import pytest

from farcell.remote_runtime.api import GIB, default_table
from farcell.remote_runtime.api.gpus import table_with_overrides
from farcell.remote_runtime.errors import BadRequest, UnknownGpu

DOLLARS_PER_SECOND = {
    "T4": ".000164",
    "L4": ".000222",
    "A10": ".000306",
    "L40S": ".000542",
    "A100-40GB": ".000583",
    "A100-80GB": ".000694",
    "RTX-PRO-6000": ".000842",
    "H100": ".001097",
    "H200": ".001261",
    "B200": ".001736",
    "B300": ".001972",
}
MEMORY_GIB = {
    "T4": 16,
    "L4": 24,
    "A10": 24,
    "L40S": 48,
    "A100-40GB": 40,
    "A100-80GB": 80,
    "RTX-PRO-6000": 96,
    "H100": 80,
    "H200": 141,
    "B200": 180,
    "B300": 288,
}


@pytest.fixture
def override(tmp_path):
    """Writes an operator's file and reads the table with it."""
    path = tmp_path / "gpus.toml"

    def read(text: str):
        path.write_text(text, "utf-8")
        return table_with_overrides(path)

    return read


def test_the_shipped_prices_are_the_listed_ones():
    prices = {name: gpu.price_nanos_per_s for name, gpu in default_table().gpus.items()}
    assert prices == {name: Decimal(price) * 10**9 for name, price in DOLLARS_PER_SECOND.items()}


def test_a_core_and_a_gib_have_their_listed_prices():
    assert default_table().core_nanos_per_s == Decimal(".0000131") * 10**9
    assert default_table().gib_nanos_per_s == Decimal(".00000222") * 10**9


def test_the_shipped_memory_is_the_cards():
    assert {name: gpu.memory_bytes for name, gpu in default_table().gpus.items()} == {
        name: gib * GIB for name, gib in MEMORY_GIB.items()
    }


def test_the_shipped_table_is_dated_and_sourced():
    assert default_table().dated > date(2026, 1, 1)
    assert default_table().source.startswith("https://")


@pytest.mark.parametrize(
    ("name", "gpu"),
    [
        ("h100", "H100"),
        ("A10G", "A10"),
        ("NVIDIA A10G", "A10"),
        ("Tesla T4", "T4"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA A100 80GB PCIe", "A100-80GB"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
    ],
)
def test_a_type_is_found_by_any_alias_in_any_case(name, gpu):
    assert default_table().find(name).name == gpu
    assert default_table().find(name.swapcase()).name == gpu


def test_an_unknown_name_is_none_or_raises():
    assert default_table().get("Matrox G400") is None
    with pytest.raises(UnknownGpu):
        default_table().find("Matrox G400")


def test_an_operator_overrides_single_values(override):
    table = override('[gpu.H100]\nprice = "0.5"\n[cpu]\nprice_per_core = "0.1"')
    shipped = default_table()
    assert table.find("H100").price_nanos_per_s == 500_000_000
    assert table.find("H100").memory_bytes == shipped.find("H100").memory_bytes
    assert table.find("H100").aliases == shipped.find("H100").aliases
    assert table.find("T4") == shipped.find("T4")
    assert (table.core_nanos_per_s, table.gib_nanos_per_s) == (100_000_000, shipped.gib_nanos_per_s)
    assert (table.dated, table.source) == (shipped.dated, shipped.source)


def test_an_operator_adds_a_type_and_dates_the_table(override):
    table = override(
        'dated = 2027-01-02\nsource = "ours"\n'
        '[gpu.MI300X]\naliases = ["MI300"]\nmemory_gib = 192\nprice = "0.001"'
    )
    assert table.find("mi300").memory_bytes == 192 * GIB
    assert (table.dated, table.source) == (date(2027, 1, 2), "ours")
    assert list(table.gpus) == [*default_table().gpus, "MI300X"]


def test_an_empty_file_changes_nothing(override):
    assert override("") == default_table()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("gpu = ", "Invalid value"),
        ("gpu = 3", r"Expected `object`, got `int` - at `\$.gpu`"),
        ("gpu.H100 = 3", r"Expected `object`, got `int`"),
        ("currency = 'EUR'", "unknown field `currency`"),
        ("dated = 'yesterday'", r"at `\$.dated`"),
        ("[gpu.H100]\nprize = '1'", r"\[gpu.H100\]: Object contains unknown field `prize`"),
        ("[gpu.H100]\nprice = 0.1", r"\[gpu.H100\]: Expected `str`, got `float` - at `\$.price`"),
        ("[gpu.H100]\nprice = 'cheap'", r"\[gpu.H100\]: 'cheap' is not a decimal number"),
        ("[gpu.H100]\nprice = '-1'", "is not a whole, positive number of nano-dollars"),
        ("[gpu.H100]\nprice = '0.0000000001'", "is not a whole, positive number of nano-dollars"),
        ("[gpu.H100]\nprice = 'inf'", "is not a whole, positive number of nano-dollars"),
        ("[gpu.H100]\nmemory_gib = 0", r"\[gpu.H100\]: Expected `int` >= 1 - at `\$.memory_gib`"),
        ("[gpu.H100]\naliases = 'H'", "Expected `array`, got `str`"),
        ("[gpu.MI300X]\nprice = '1'", r"\[gpu.MI300X\]: Object missing required field `memory_gib`"),
        ("[gpu.cpu]\nprice = '1'\nmemory_gib = 1", "a name has letters"),
        ("[gpu.24GB]\nprice = '1'\nmemory_gib = 1", "a name has letters"),
        ("[gpu.'A,B']\nprice = '1'\nmemory_gib = 1", "a name has letters"),
        ("[gpu.h100]\nprice = '1'\nmemory_gib = 1", "H100 and h100 are both called 'h100'"),
        ("[gpu.L4]\naliases = ['T4']", "T4 and L4 are both called 't4'"),
        ("[cpu]\nprice_per_gib = 1", r"Expected `str`, got `int` - at `\$.cpu.price_per_gib`"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_fault(override, text, fault):
    with pytest.raises(BadRequest, match=rf"the GPU table .*gpus\.toml can't be used: .*{fault}"):
        override(text)


def test_a_missing_file_is_refused_with_its_name(tmp_path):
    with pytest.raises(BadRequest, match=r"absent\.toml can't be used: .*No such file"):
        table_with_overrides(tmp_path / "absent.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadRequest, match=r"binary\.toml can't be used"):
        table_with_overrides(path)
