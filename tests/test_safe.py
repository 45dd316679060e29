import io
import os
import pickle
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from bulk2sc.datasets.safe import extract, load_tensors
from bulk2sc.errors import Bulk2scError

GOOD = {"A": torch.arange(6.0).reshape(2, 3), "B": torch.ones(2, dtype=torch.int64)}


class Reduced:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def test_tensors_come_back():
    loaded = load_tensors(io.BytesIO(pickle.dumps(GOOD)), "good.pkl")
    assert list(loaded) == ["A", "B"]
    assert all(torch.equal(loaded[name], GOOD[name]) for name in GOOD)


@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (os.system, ("touch {flag}",), "(posix|nt).system"),
        (eval, ("open('{flag}', 'w')",), "builtins.eval"),
        (exec, ("open('{flag}', 'w')",), "builtins.exec"),
        (getattr, ("torch", "load"), "builtins.getattr"),
        (torch.load, ("{flag}",), "torch.serialization.load"),
        (open, ("{flag}", "w"), "io.open"),
        (np.zeros, (3,), "numpy.zeros"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_malicious_pickle_is_refused_before_it_acts(tmp_path, function, args, name, protocol):
    flag = tmp_path / "flag"
    args = tuple(arg.format(flag=flag) if isinstance(arg, str) else arg for arg in args)
    data = pickle.dumps({"A": Reduced(function, *args)}, protocol=protocol)
    with pytest.raises(
        Bulk2scError, match=rf"evil.pkl: refused as a pickle: it asks for .*{name.split('.')[-1]}"
    ):
        load_tensors(io.BytesIO(data), "evil.pkl")
    assert not flag.exists()


def test_admitted_names_are_no_way_round():
    # A dotted name under an admitted module, and the real torch loader asked for by another path.
    for asked in (
        b"ccollections\nOrderedDict.__init__\n.",
        b"ctorch.storage\nos\n.",
        b"ctorch._utils\nsys\n.",
    ):
        with pytest.raises(Bulk2scError, match="it asks for"):
            load_tensors(io.BytesIO(asked), "evil.pkl")


def test_a_pickle_inside_a_tensor_is_refused(tmp_path):
    flag = tmp_path / "flag"
    inner = io.BytesIO()
    torch.save(Reduced(os.system, f"touch {flag}"), inner, _use_new_zipfile_serialization=False)

    outer = pickle.dumps({"A": Reduced(torch.storage._load_from_bytes, inner.getvalue())})
    with pytest.raises(Bulk2scError, match="refused as a pickle"):
        load_tensors(io.BytesIO(outer), "evil.pkl")
    assert not flag.exists()


@pytest.mark.parametrize("content", [[1, 2], OrderedDict(A=1), {"A": "text"}])
def test_other_content_is_refused(content):
    with pytest.raises(Bulk2scError, match="not a dictionary of tensors"):
        load_tensors(io.BytesIO(pickle.dumps(content)), "other.pkl")


def a_tar(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def a_zip(path, *members):
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def a_link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def a_zip_link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


@pytest.mark.parametrize("make", [a_tar, a_zip])
def test_unpacks(tmp_path, make):
    archive = make(tmp_path / "a", ("b.txt", b"b"), ("sub/c.txt", b"c"), ("sub/..d", b"d"))
    files = extract(archive, tmp_path / "out")
    assert files == [tmp_path / "out" / name for name in ("b.txt", "sub/c.txt", "sub/..d")]
    assert [file.read_bytes() for file in files] == [b"b", b"c", b"d"]


ESCAPES = ["../evil", "sub/../../evil", "/evil", "..\\evil", "C:\\evil", "C:evil", "//host/evil", ".."]


@pytest.mark.parametrize("make", [a_tar, a_zip])
@pytest.mark.parametrize("name", ESCAPES)
def test_escapes_are_refused(tmp_path, make, name):
    archive = make(tmp_path / "a", (name, b"evil"))
    with pytest.raises(Bulk2scError, match=r"/a: refused: its member '.*' would lie outside"):
        extract(archive, tmp_path / "deep" / "er")
    assert os.listdir(tmp_path) == ["a"]


LINKS = [
    a_link("link", "/etc"),
    a_link("link", "../../secret", tarfile.LNKTYPE),
    a_link("link", "", tarfile.FIFOTYPE),
    a_link("link", "", tarfile.CHRTYPE),
]


@pytest.mark.parametrize("member", LINKS)
def test_links_and_devices_in_a_tar_are_not_made(tmp_path, member):
    archive = a_tar(tmp_path / "a", ("good.txt", b"good"), (member, b""), ("link/evil", b"evil"))
    files = extract(archive, tmp_path / "out")
    assert files == [tmp_path / "out" / "good.txt", tmp_path / "out" / "link" / "evil"]
    assert not (tmp_path / "out" / "link").is_symlink() and not any(file.is_symlink() for file in files)


def test_a_link_in_a_zip_becomes_a_file(tmp_path):
    archive = a_zip(tmp_path / "a", (a_zip_link("link"), b"/etc"))
    (file,) = extract(archive, tmp_path / "out")
    assert not file.is_symlink() and file.read_bytes() == b"/etc"


@pytest.mark.parametrize("make", [a_tar, a_zip])
def test_damaged_archives_are_one_line(tmp_path, make):
    archive = make(tmp_path / "a", ("a.txt", b"a"), ("b.bin", os.urandom(100_000)))
    archive.write_bytes(archive.read_bytes()[:50_000])
    with pytest.raises(Bulk2scError, match=r"/a: cannot be unpacked"):
        extract(archive, tmp_path / "out")
