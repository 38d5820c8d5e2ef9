"""Folders and zips: which files count, what they are labelled, and which archives are refused."""

import zipfile

import pytest
import torch

from gancompare.data.errors import DataError
from gancompare.data.listing import Limits, open_images


def listed(path, limits=None):
    with open_images(path, limits) as files:
        return files


def test_other_files_are_ignored_and_the_case_of_extensions_is(tmp_path, make):
    wanted = {"a.png": b"image", "b.PNG": b"image"}
    other = dict.fromkeys([".hidden.png", "__MACOSX/._a.png", "Thumbs.db", "readme.txt", ".git/c.png", "x.eps"], b"no")
    for source in (make.folder(tmp_path / "f", wanted | other), make.zip(tmp_path / "z.zip", wanted | other)):
        with open_images(source) as files:
            assert files.names == ["a.png", "b.PNG"]
            assert [files.read(name) for name in files.names] == [b"image", b"image"]


def test_labels_are_the_first_sub_folder_below_the_common_one(tmp_path, make):
    names = ["top/set/dog/1.png", "top/set/cat/deep/1.png", "top/set/cat/2.png"]
    files = listed(make.zip(tmp_path / "z.zip", dict.fromkeys(names, b"")))
    assert files.names == ["cat/2.png", "cat/deep/1.png", "dog/1.png"]
    assert files.classes == ("cat", "dog")
    assert files.labels.dtype == torch.int64
    assert files.labels.tolist() == [0, 0, 1]


def test_a_single_class_folder_is_no_label(tmp_path, make):
    assert listed(make.folder(tmp_path / "f", {"cat/1.png": b""})).labels is None


def test_links_are_followed_but_not_for_ever(tmp_path, make):
    folder = make.folder(tmp_path / "f", {"a/1.png": b"", "b/1.png": b""})
    outside = make.folder(tmp_path / "outside", {"1.png": b""})
    (folder / "a" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "c").symlink_to(outside, target_is_directory=True)
    files = listed(folder)
    assert files.classes == ("a", "b", "c")
    assert len(files.names) == 3  # the system itself stops following a loop only after some 40 rounds


def test_the_content_key_changes_with_names_and_bytes_alone(tmp_path, make):
    files = {"a.png": b"1", "b.png": b"2"}
    keys = [
        listed(make.folder(tmp_path / str(i), changed)).content_key()
        for i, changed in enumerate([files, files, files | {"b.png": b"3"}, {"a.png": b"1", "c.png": b"2"}])
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert len(keys[0]) == 32


def bad_zip(path, name="a.png", content=b"x", change=lambda member: None):
    member = zipfile.ZipInfo("placeholder")
    member.filename = member.orig_filename = name
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
        change(member)  # only what the directory of the zip claims
    return path


def claim(**fields):
    return lambda member: [setattr(member, key, value) for key, value in fields.items()]


BAD_INPUT = {
    "empty folder": (lambda p, make: make.folder(p / "f", {"a.txt": b""}), ["holds no images", ".jpg", ".png"]),
    "empty zip": (lambda p, make: make.zip(p / "z.zip", {}), ["z.zip holds no images", "add files"]),
    "one image": (lambda p, make: make.folder(p, {"1.png": b"x"}) / "1.png", ["1.png is a single image", "folder or"]),
    "corrupt zip": (lambda p, make: make.folder(p, {"z.zip": b"PK no"}) / "z.zip", ["z.zip", "readable zip", "copy"]),
    "mixture": (lambda p, make: make.folder(p, {"f/in/a.png": b"x", "f/out.png": b"x"}) / "f",
                ["in/a.png", "out.png", "class folder"]),
    "absolute": (lambda p, _: bad_zip(p / "z.zip", "/etc/a.png"), ["'/etc/a.png'", "unsafe", "make the zip again"]),
    "drive": (lambda p, _: bad_zip(p / "z.zip", "C:/a.png"), ["'C:/a.png'", "unsafe"]),
    "backslash": (lambda p, _: bad_zip(p / "z.zip", "..\\a.png"), ["a.png'", "unsafe"]),
    "parent": (lambda p, _: bad_zip(p / "z.zip", "a/../../a.txt"), ["'a/../../a.txt'", "unsafe"]),
    "encrypted": (lambda p, _: bad_zip(p / "z.zip", change=claim(flag_bits=1)), ["'a.png' is encrypted", "make"]),
    "huge": (lambda p, _: bad_zip(p / "z.zip", change=claim(file_size=2**28 + 1)), ["'a.png'", "268,435,457 bytes"]),
    "bomb": (lambda p, _: bad_zip(p / "z.zip", content=bytes(2**21), change=claim(compress_size=99)),
             ["'a.png'", "from 99 to 2,097,152", "1000 times"]),
    "method": (lambda p, _: bad_zip(p / "z.zip", change=claim(compress_type=12)), ["'a.png'", "method 12", "deflate"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_with_what_and_remedy(tmp_path, make, case):
    build, expected = BAD_INPUT[case]
    with pytest.raises(DataError) as error:
        listed(build(tmp_path, make))
    for part in expected:
        assert part in str(error.value)


def test_the_total_size_of_a_zip_is_limited(tmp_path, make):
    archive = make.zip(tmp_path / "z.zip", make.images(20))
    assert len(listed(archive).names) == 20
    with pytest.raises(DataError, match="brings the total to"):
        listed(archive, Limits(total_bytes=1000))
