"""The program that runs inside images, as far as it can be looked at without one; `test_builder` has the rest."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

from farcell.remote_runtime.spawners.docker import finish, finishing, layout


def test_it_says_the_same_as_the_layout():
    said = (finish.USER, finish.UID, finish.HOME, finish.ENVIRONMENT)
    assert said == (layout.KERNEL_USER, layout.KERNEL_UID, layout.HOME, layout.ENVIRONMENT)


def test_it_needs_nothing_but_the_standard_library():
    tree = ast.parse(Path(finish.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - {"__future__"} <= sys.stdlib_module_names


def test_scripts_are_for_any_posix_shell(tmp_path):
    for name, content in finishing.PROGRAMS.items():
        if name.endswith(".sh"):
            script = tmp_path / name
            script.write_bytes(content)
            subprocess.run(["sh", "-n", str(script)], check=True)


def test_the_user_is_added_without_the_images_help(tmp_path):
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nsomebody:x:10001:5::/:/bin/sh\n")
    (tmp_path / "group").write_text("root:x:0:\nfarcell:x:77:root\n")
    finish.add_user(tmp_path)
    finish.add_user(tmp_path)
    passwd = (tmp_path / "passwd").read_text().splitlines()
    assert passwd[0].startswith("root:")
    assert [line.rpartition(":")[0] for line in passwd[1:]] == ["farcell:x:10001:10001::/home/farcell"]
    assert (tmp_path / "group").read_text() == "root:x:0:\nfarcell:x:10001:\n"


def test_an_image_without_users_gets_one(tmp_path):
    finish.add_user(tmp_path)
    assert (tmp_path / "passwd").read_text().startswith("farcell:x:10001:10001:")


def test_a_package_of_the_image_counts_as_installed_and_has_no_files_to_remove(tmp_path):
    installed = importlib.metadata.distribution("pytest")
    finish.name_as_installed(installed, tmp_path)
    finish.name_as_installed(installed, tmp_path)
    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert (found.metadata["Name"], found.version) == ("pytest", installed.version)
    assert found.requires == installed.requires
    assert [*found.entry_points] == [*installed.entry_points]
    files = [Path(str(found.locate_file(file))) for file in found.files or ()]
    assert files
    assert all(file.is_file() and file.is_relative_to(tmp_path) for file in files)


def test_a_package_without_a_name_is_passed_over(tmp_path):
    broken = tmp_path / "there" / "broken-1.dist-info"
    broken.mkdir(parents=True)
    (broken / "METADATA").write_text("Metadata-Version: 2.1\n")
    target = tmp_path / "here"
    target.mkdir()
    for installed in importlib.metadata.distributions(path=[str(tmp_path / "there")]):
        finish.name_as_installed(installed, target)
    assert not [*target.iterdir()]
