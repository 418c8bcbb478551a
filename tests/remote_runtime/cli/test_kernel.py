"""``farcell kernel``: real kernel specs in folders of the test's own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from farcell_command import Person
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

LOGOS = {"kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}


@pytest.fixture(autouse=True)
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's kernels."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    return tmp_path / "jupyter" / "kernels"


def spec(name: str) -> KernelSpec:
    """As every Jupyter finds it."""
    return KernelSpecManager().get_kernel_spec(name)


def another(kernels: Path, name: str, content: str = "") -> Path:
    """The kernel spec of another program."""
    folder = kernels / name
    folder.mkdir(parents=True)
    document: dict[str, Any] = {"argv": ["R", "{connection_file}"], "display_name": "R", "language": "R"}
    (folder / "kernel.json").write_text(content or json.dumps(document))
    return folder


def test_an_installed_kernel_is_found_by_jupyter_with_its_logos(typed, kernels: Path):
    folder = kernels / "farcell-h100"
    assert typed("kernel", "install", "--gpu", "h100").out == (
        f"installed Farcell (H100) as farcell-h100 in {folder}\n"
    )
    found = spec("farcell-h100")
    assert found.argv == [sys.executable, "-m", "farcell.kernel", "-f", "{connection_file}", "--gpu", "H100"]
    assert (found.display_name, found.language) == ("Farcell (H100)", "python")
    assert (found.interrupt_mode, found.metadata["debugger"]) == ("message", True)
    assert {path.name for path in folder.iterdir()} == LOGOS
    assert (folder / "logo-64x64.png").read_bytes().startswith(b"\x89PNG")


def test_two_kernels_for_one_kind_of_gpu_have_names_of_their_own(typed):
    typed("kernel", "install", "--gpu", "H100")
    typed("kernel", "install", "--gpu", "H100", "--name", "Long-Jobs", "--idle", "2h")
    typed("kernel", "install", "--gpu", "H100:2", "--display-name", "Both")
    shown = {name: spec(name).display_name for name in ("farcell-h100", "long-jobs", "farcell-h100-2")}
    assert list(shown.values()) == ["Farcell (H100)", "Farcell (H100, long-jobs)", "Both"]
    assert spec("long-jobs").argv[-2:] == ["--idle", "2h"]


def test_installing_again_replaces(typed, kernels: Path):
    typed("kernel", "install", "--gpu", "H100", "--name", "mine", "--idle", "2h")
    (kernels / "mine" / "left-over").touch()
    typed("kernel", "install", "--gpu", "T4", "--name", "mine")
    assert spec("mine").argv[-2:] == ["--gpu", "T4"]
    assert {path.name for path in (kernels / "mine").iterdir()} == LOGOS


def test_for_one_environment_alone(typed, kernels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    answer = typed("kernel", "install", "--gpu", "H100", "--sys-prefix")
    folder = tmp_path / "environment" / "share" / "jupyter" / "kernels" / "farcell-h100"
    assert answer.out.endswith(f" in {folder}\n")
    assert (folder / "kernel.json").exists()
    assert not kernels.exists()


def test_where_jupyter_does_not_look_is_told(typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    answer = typed("kernel", "install", "--gpu", "H100", "--prefix", str(tmp_path / "elsewhere"))
    data = tmp_path / "elsewhere" / "share" / "jupyter"
    assert answer.err == f"a Jupyter that is started here does not look there: JUPYTER_PATH={data}\n"
    monkeypatch.setenv("JUPYTER_PATH", str(data))
    assert spec("farcell-h100").display_name == "Farcell (H100)"
    answer = typed("kernel", "install", "--gpu", "H100")
    first = data / "kernels" / "farcell-h100"
    assert answer.err == f"a Jupyter that is started here finds another farcell-h100 first: {first}\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--gpu", "H100:0"], "'H100:0': the count is a number from 1 to 64"),
        (["--gpu", "H100", "--name", "python3"], "'python3' is another kernel, not one of Farcell's: "),
        (["--gpu", "H100", "--name", "two words"], "'two words' is no name for a kernel: use letters, "),
        (["--gpu", "H100", "--name", "../up"], "'../up' is no name for a kernel: "),
        (["--gpu", "H100", "--name", "größe"], "'größe' is no name for a kernel: "),
        (["--gpu", "H100", "--idle", "soon"], "'soon' is not a duration: "),
        (["H100"], "usage: farcell kernel install [options]"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_typed_wrongly_installs_nothing(typed, kernels: Path, words: list[str], sentence: str):
    answer = typed("kernel", "install", *words)
    assert answer.exit_code == 2
    assert answer.sentence.startswith(sentence)
    assert not kernels.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"argv": 5}'])
def test_other_programs_kernels_are_neither_replaced_nor_removed(typed, kernels: Path, content: str):
    folder = another(kernels, "ir", content)
    before = (folder / "kernel.json").read_text()
    sentence = f"'ir' is another kernel, not one of Farcell's: {folder}"
    assert typed("kernel", "install", "--gpu", "H100", "--name", "IR").sentence == sentence
    assert typed("kernel", "remove", "ir").sentence == sentence
    assert (folder / "kernel.json").read_text() == before


def test_a_folder_that_can_not_be_made_is_told_with_the_way_on(typed, tmp_path: Path):
    (tmp_path / "file").touch()
    answer = typed("kernel", "install", "--gpu", "H100", "--prefix", str(tmp_path / "file"))
    assert answer.exit_code == 1
    assert answer.sentence == (
        f"the kernel can't be written to {tmp_path}/file/share/jupyter/kernels: Not a directory; "
        "--user installs it for you alone"
    )


def test_a_folder_that_can_not_be_written_is_told(typed, kernels: Path):
    kernels.mkdir(parents=True)
    typed("kernel", "install", "--gpu", "H100")
    kernels.chmod(0o500)
    if os.access(kernels, os.W_OK):
        pytest.skip("this user may write everywhere")
    for words in (["install", "--gpu", "T4"], ["remove", "farcell-h100"]):
        answer = typed("kernel", *words)
        assert answer.exit_code == 1
        assert answer.sentence.endswith("Permission denied")
    kernels.chmod(0o700)


def test_only_farcells_own_kernels_are_listed_with_their_folders(typed, kernels: Path):
    assert typed("kernel", "list").err == (
        "no Farcell kernel is installed yet: farcell kernel install --gpu H100\n"
    )
    another(kernels, "ir")
    another(kernels, "broken", "{")
    typed("kernel", "install", "--gpu", "H100")
    typed("kernel", "install", "--gpu", "T4", "--name", "small")
    rows = [line.split("  ") for line in typed("kernel", "list").out.splitlines()[1:]]
    assert [[word.strip() for word in row if word.strip()] for row in rows] == [
        ["farcell-h100", "Farcell (H100)", "H100", str(kernels / "farcell-h100")],
        ["small", "Farcell (T4, small)", "T4", str(kernels / "small")],
    ]


def test_kernels_are_removed_by_name_all_or_none(typed, kernels: Path):
    for gpu in ("H100", "T4", "L4"):
        typed("kernel", "install", "--gpu", gpu)
    sentence = typed("kernel", "remove", "farcell-h100", "farcell-l40").sentence
    there = "farcell-h100, farcell-l4, farcell-t4"
    assert sentence == f"no Farcell kernel 'farcell-l40' is installed; there are: {there}"
    assert len(list(kernels.iterdir())) == 3
    answer = typed("kernel", "remove", "farcell-h100", "FARCELL-T4")
    assert answer.out == "".join(
        f"removed {name} from {kernels / name}\n" for name in ("farcell-h100", "farcell-t4")
    )
    assert [path.name for path in kernels.iterdir()] == ["farcell-l4"]


def test_removing_takes_at_least_one_name(typed):
    assert typed("kernel", "remove").sentence == "usage: farcell kernel remove NAME... [options]"


@pytest.fixture
def offering(typed, person: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """What the gateway simulates; it ends with the test."""
    yield lambda devices: monkeypatch.setenv("FARCELL_SIMULATE", devices)
    person.told("down")


def test_without_a_gpu_it_is_the_only_kind_that_the_gateway_offers(typed, offering):
    offering("L4:2")
    assert typed("kernel", "install").exit_code == 0
    assert spec("farcell-l4").argv[-2:] == ["--gpu", "L4"]


def test_without_a_gpu_the_offers_are_told_where_there_are_several(typed, offering, kernels: Path):
    offering("L4,T4")
    answer = typed("kernel", "install")
    assert answer.exit_code == 2
    start = "say what to run on, such as --gpu H100; your gateway offers "
    assert sorted(answer.sentence.removeprefix(start).split(", ")) == [
        "L4 (simulated)",
        "T4 (simulated)",
        "cpu",
    ]
    assert not kernels.exists()


def test_an_unknown_gpu_is_told_with_the_nearest(typed, offering):
    offering("L4")
    answer = typed("kernel", "install", "--gpu", "H10")
    assert answer.exit_code == 2
    assert answer.sentence.startswith("there is no GPU type 'H10'; nearest: H100")
