import io
import tarfile

import pytest

from farcell.remote_runtime.errors import BuildFailed
from farcell.remote_runtime.spawners.docker.build_context import write_context
from farcell.remote_runtime.spawners.docker.dockerfile import ArchiveEntry, ProgramEntry, Recipe

SHA256 = "ab" * 32
COPIED = ArchiveEntry(f"files/{SHA256}", SHA256)


def context(archives, *entries):
    sink = io.BytesIO()
    write_context(Recipe("FROM debian\n", (1,), entries, {}), archives, sink)
    return sink.getvalue()


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {one.name: one for one in archive}


def keep(folder, *infos):
    with tarfile.open(folder / SHA256, "w") as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(b"x" * info.size))


def member(name, kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    for attribute, value in more.items():
        setattr(info, attribute, value)
    return info


def test_the_same_recipe_is_the_same_bytes(tmp_path):
    program = tmp_path / "uv"
    program.write_bytes(b"program")
    entries = (ProgramEntry("tools/uv", program), ProgramEntry("tools/finish.sh", b"text"))
    first = context(tmp_path, *entries)
    program.touch()
    assert context(tmp_path, *entries) == first
    found = members(first)
    assert [*found] == ["Dockerfile", "tools/uv", "tools/finish.sh"]
    assert found["tools/uv"].mode == 0o755
    assert found["tools/uv"].size == len(b"program")


def test_what_is_copied_belongs_to_the_kernels_user_and_has_no_special_bits(tmp_path):
    infos = [
        member("./folder", tarfile.DIRTYPE, mode=0o2755),
        member("folder/file", size=3, mode=0o4711, uid=0, uname="root", mtime=99),
        member("folder/link", tarfile.SYMTYPE, linkname="file"),
    ]
    keep(tmp_path, *infos)
    found = members(context(tmp_path, COPIED))
    names = [f"files/{SHA256}{rest}" for rest in ("", "/folder", "/folder/file", "/folder/link")]
    assert [*found] == ["Dockerfile", *names]
    file = found[names[2]]
    assert (file.uid, file.gid, file.mode, file.mtime, file.uname) == (10001, 10001, 0o711, 0, "")
    assert found[names[3]].linkname == "file"


@pytest.mark.parametrize(
    "info",
    [
        member("../Dockerfile", size=1),
        member("/etc/passwd", size=1),
        member("a/../../Dockerfile", size=1),
        member("device", tarfile.CHRTYPE),
        member("hard", tarfile.LNKTYPE, linkname="../../Dockerfile"),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: info.name,
)
def test_what_is_out_of_its_folder_or_no_file_is_refused(tmp_path, info):
    keep(tmp_path, info)
    with pytest.raises(BuildFailed, match="the files to copy have"):
        context(tmp_path, COPIED)


def test_files_that_are_gone_or_no_archive_fail_with_a_sentence(tmp_path):
    with pytest.raises(BuildFailed, match="does not have the files"):
        context(tmp_path, COPIED)
    (tmp_path / SHA256).write_bytes(b"no archive at all" * 100)
    with pytest.raises(BuildFailed, match="no tar archive"):
        context(tmp_path, COPIED)
