"""images.py against images whose pixels are known by construction, and against files that are broken on purpose."""

import io
import zipfile
from collections import namedtuple

import numpy as np
import pytest
import torch
from PIL import Image

from gancompare.data import images
from gancompare.data.images import DataError, decode_images, open_images, resize_images

Loaded = namedtuple("Loaded", "images labels classes skipped")


def load(path, size=8, channels=3, workers=2):
    with open_images(path) as files:
        return Loaded(*decode_images(files, size, channels, workers))


def random_pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image, form="PNG", **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def write_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def some_images(n=20, size=8):
    return {f"{i:03}.png": encoded(random_pixels(i, size, size, 3)) for i in range(n)}


def decode(content, size=8, channels=3):
    return images._decode_image(content, size, channels)


# ---- one image of every kind -----------------------------------------------------------------------------------------

GREY = random_pixels(1, 8, 8)
RGB = random_pixels(2, 8, 8, 3)
NOISY_ALPHA = np.dstack([RGB, np.where(GREY < 128, 0, 255).astype(np.uint8)])
ON_WHITE = np.where(NOISY_ALPHA[..., 3:] == 0, 255, RGB)
PALETTE = Image.fromarray(GREY // 64 * 64).quantize(4)
CLEAR_PALETTE = Image.new("P", (8, 8), 1)
CLEAR_PALETTE.putpalette([10, 20, 30, 40, 50, 60])
CLEAR_PALETTE.putpixel((2, 3), 0)
CLEAR_EXPECTED = np.full((8, 8, 3), (40, 50, 60), np.uint8)
CLEAR_EXPECTED[3, 2] = 255
EXIF = Image.Exif()
EXIF[0x0112] = 6  # "rotate by 90° clockwise to view"


def grey3(values):
    return np.dstack([values] * 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(encoded(RGB), RGB, id="RGB"),
        pytest.param(encoded(GREY), grey3(GREY), id="L"),
        pytest.param(encoded(Image.fromarray(GREY > 99)), grey3(255 * (GREY > 99)), id="1"),
        pytest.param(encoded(PALETTE), np.asarray(PALETTE.convert("RGB")), id="P"),
        pytest.param(encoded(CLEAR_PALETTE, transparency=0), CLEAR_EXPECTED, id="P transparent"),
        pytest.param(encoded(NOISY_ALPHA), ON_WHITE, id="RGBA"),
        pytest.param(encoded(np.dstack([GREY, NOISY_ALPHA[..., 3]])), np.where(NOISY_ALPHA[..., 3:], grey3(GREY), 255),
                     id="LA"),
        pytest.param(encoded(Image.fromarray(np.dstack([255 - RGB, 0 * GREY]), "CMYK"), "TIFF"), RGB, id="CMYK"),
        pytest.param(encoded(GREY.astype(np.uint16) * 257), grey3(GREY), id="I;16 PNG"),
        pytest.param(encoded(GREY.astype(np.uint16) * 256, "TIFF"), grey3(GREY), id="I;16 TIFF"),
        pytest.param(encoded(GREY.astype(np.int32), "TIFF"), grey3(GREY), id="I of bytes"),
        pytest.param(encoded(GREY.astype(np.int32) * 257, "TIFF"), grey3(GREY), id="I of 16 bits"),
        pytest.param(encoded(GREY.astype(np.float32), "TIFF"), grey3(GREY), id="F of bytes"),
        pytest.param(encoded((GREY / 255).astype(np.float32), "TIFF"), grey3(GREY), id="F of 0 to 1"),
        pytest.param(encoded(RGB, exif=EXIF), np.rot90(RGB, -1), id="EXIF rotation"),
        pytest.param(encoded(Image.fromarray(GREY), "GIF", save_all=True, append_images=[Image.new("L", (8, 8))]),
                     grey3(GREY), id="animation"),
    ],
)  # fmt: skip
def test_every_mode_decodes_to_known_pixels(content, expected):
    assert np.array_equal(decode(content).transpose(1, 2, 0), expected)


def test_half_transparent_red_is_composited_on_white():
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    red, green, blue = decode(encoded(half))[:, 0, 0].tolist()
    assert red == 255
    assert green == blue == round(255 * (1 - 128 / 255))


@pytest.mark.parametrize(("colour", "luma"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)])
def test_greyscale_has_the_itu_601_weights(colour, luma):
    assert np.unique(decode(encoded(Image.new("RGB", (8, 8), colour)), channels=1)).tolist() == [luma]


def test_a_ycbcr_jpeg_keeps_its_colour():
    pixel = decode(encoded(Image.new("RGB", (16, 16), (200, 40, 90)), "JPEG", quality=95), 16)[:, 5, 5]
    assert np.abs(pixel.astype(int) - (200, 40, 90)).max() <= 3  # JPEG rounds in YCbCr


@pytest.mark.parametrize("shape", [(8, 13), (13, 8)])
def test_centre_crop_of_an_image_whose_short_side_fits_resamples_nothing(shape):
    pixels = random_pixels(3, *shape, 3)
    top, left = (shape[0] - 8) // 2, (shape[1] - 8) // 2
    assert np.array_equal(decode(encoded(pixels)).transpose(1, 2, 0), pixels[top : top + 8, left : left + 8])


def test_shrinking_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))  # without a filter these alias to all black or white
    inner = decode(encoded(stripes), 16, 1)[0, 2:-2, 2:-2].astype(int)
    assert np.abs(inner - 127.5).max() < 10


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 12, 28])
def test_pixels_are_resized_by_the_same_rule_as_files(size, channels):
    pixels = random_pixels(4, 5, 12, 12)
    resized = resize_images(torch.from_numpy(pixels), size, channels)
    assert np.array_equal(resized, np.stack([decode(encoded(image), size, channels) for image in pixels]))


def test_an_extreme_strip_does_not_need_an_extreme_amount_of_memory():
    assert decode(encoded(Image.new("L", (1, 200_000), 77)), 64, 1).tolist() == np.full((1, 64, 64), 77).tolist()


# ---- folders and zips ------------------------------------------------------------------------------------------------


def test_other_files_are_ignored_and_the_case_of_extensions_is(tmp_path):
    image = encoded(RGB)
    wanted = {"a.png": image, "b.PNG": image}
    other = dict.fromkeys([".hidden.png", "__MACOSX/._a.png", "Thumbs.db", "readme.txt", ".git/c.png", "x.eps"], b"no")
    for source in (write_folder(tmp_path / "f", wanted | other), write_zip(tmp_path / "z.zip", wanted | other)):
        assert len(load(source).images) == 2


def test_labels_are_the_first_sub_folder_below_the_common_one(tmp_path):
    image = encoded(RGB)
    names = ["top/set/dog/1.png", "top/set/cat/deep/1.png", "top/set/cat/2.png"]
    found = load(write_zip(tmp_path / "z.zip", dict.fromkeys(names, image)))
    assert found.classes == ("cat", "dog")
    assert found.labels.dtype == torch.int64
    assert found.labels.tolist() == [0, 0, 1]


def test_a_single_class_folder_is_no_label(tmp_path):
    assert load(write_folder(tmp_path / "f", {"cat/1.png": encoded(RGB)})).labels is None


def test_links_are_followed_but_not_for_ever(tmp_path):
    folder = write_folder(tmp_path / "f", {"a/1.png": encoded(RGB), "b/1.png": encoded(RGB)})
    outside = write_folder(tmp_path / "outside", {"1.png": encoded(RGB)})
    (folder / "a" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "c").symlink_to(outside, target_is_directory=True)
    found = load(folder)
    assert found.classes == ("a", "b", "c")
    assert len(found.images) == 3  # the system itself stops following a loop only after some 40 rounds


# ---- broken files ----------------------------------------------------------------------------------------------------


def test_more_than_one_percent_undecodable_is_refused(tmp_path):
    files = some_images(99)
    files["007.png"] = b"not an image"
    with pytest.raises(DataError, match=r"(?s)1 of 99 .*more than 1%.*remove or replace.*007\.png: not an image"):
        load(write_folder(tmp_path / "f", files))


def test_labels_follow_when_an_image_is_skipped(tmp_path):
    files = {f"{'ab'[i >= 50]}/{name}": content for i, (name, content) in enumerate(some_images(100).items())}
    files["a/000.png"] = b""
    assert load(write_folder(tmp_path / "f", files)).labels.tolist() == [0] * 49 + [1] * 50


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(random_pixels(0, 64, 64, 3), "JPEG")[:-400], "truncated"),
        (encoded(np.full((8, 8), np.nan, np.float32), "TIFF"), "scale is unknown"),
        (encoded(np.full((8, 8), -1, np.int32), "TIFF"), "scale is unknown"),
    ],
)
def test_reasons(tmp_path, content, reason):
    with pytest.raises(DataError, match=f"bad.tif: .*{reason}"):
        load(write_folder(tmp_path / "f", {"bad.tif": content}))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("pixels_allowed", [30, 50])  # 64 pixels are over twice 30 (an error) and over 50 (a warning)
def test_decompression_bombs_are_undecodable(tmp_path, monkeypatch, pixels_allowed):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels_allowed)
    with pytest.raises(DataError, match="decompression bomb"):
        load(write_folder(tmp_path / "f", {"big.png": encoded(RGB)}))


def test_a_progress_line_is_printed_when_decoding_is_slow(tmp_path, monkeypatch, capsys):
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr(images.time, "monotonic", lambda: next(clock))
    load(write_folder(tmp_path / "slow", some_images(100)), workers=1)
    assert "decoding slow: 64 / 100 images" in capsys.readouterr().out


# ---- bad folders and zips --------------------------------------------------------------------------------------------


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


PNG = encoded(RGB)
BAD_INPUT = {
    "empty folder": (lambda p: write_folder(p / "f", {"a.txt": b""}), ["holds no images", ".jpg", ".png"]),
    "empty zip": (lambda p: write_zip(p / "z.zip", {}), ["z.zip holds no images", "add files"]),
    "one image": (lambda p: write_folder(p, {"1.png": PNG}) / "1.png", ["1.png is a single image", "folder or"]),
    "corrupt zip": (lambda p: write_folder(p, {"z.zip": b"PK no"}) / "z.zip", ["z.zip", "readable zip", "copy"]),
    "mixture": (lambda p: write_folder(p, {"f/in/a.png": PNG, "f/out.png": PNG}) / "f",
                ["in/a.png", "out.png", "class folder"]),
    "absolute": (lambda p: bad_zip(p / "z.zip", "/etc/a.png"), ["'/etc/a.png'", "unsafe", "make the zip again"]),
    "drive": (lambda p: bad_zip(p / "z.zip", "C:/a.png"), ["'C:/a.png'", "unsafe"]),
    "backslash": (lambda p: bad_zip(p / "z.zip", "..\\a.png"), ["a.png'", "unsafe"]),
    "parent": (lambda p: bad_zip(p / "z.zip", "a/../../a.txt"), ["'a/../../a.txt'", "unsafe"]),
    "encrypted": (lambda p: bad_zip(p / "z.zip", change=claim(flag_bits=1)), ["'a.png' is encrypted", "make"]),
    "huge": (lambda p: bad_zip(p / "z.zip", change=claim(file_size=2**28 + 1)), ["'a.png'", "268,435,457 bytes"]),
    "bomb": (lambda p: bad_zip(p / "z.zip", content=bytes(2**21), change=claim(compress_size=99)),
             ["'a.png'", "from 99 to 2,097,152", "1000 times"]),
    "method": (lambda p: bad_zip(p / "z.zip", change=claim(compress_type=12)), ["'a.png'", "method 12", "deflate"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_with_what_and_remedy(tmp_path, case):
    make, expected = BAD_INPUT[case]
    with pytest.raises(DataError) as error:
        load(make(tmp_path))
    for part in expected:
        assert part in str(error.value)


def test_the_total_size_of_a_zip_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(DataError, match="brings the total to"):
        load(write_zip(tmp_path / "z.zip", some_images(20)))
