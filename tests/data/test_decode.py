"""Decoding, against images whose pixels are known by construction, and against files broken on purpose."""

import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from gancompare.data.decode import Decoded, decode_image, decode_images, resize_images
from gancompare.data.errors import DataError
from gancompare.data.listing import open_images


def load(path, size=8, channels=3, workers=2):
    with open_images(path) as files:
        return decode_images(files, size, channels, workers=workers)


# ---- one image of every kind -----------------------------------------------------------------------------------------

GREY = np.random.default_rng(1).integers(0, 256, (8, 8), dtype=np.uint8)
RGB = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
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


def image(pixels, form="PNG", **options):
    """The arguments of ``make.encoded``."""
    return pixels, form, options


@pytest.fixture
def decode(make):
    """A function (image, form, options, size, channels) → what is left of it once encoded and decoded."""

    def encode_and_decode(pixels, form="PNG", options=None, size=8, channels=3):
        return decode_image(make.encoded(pixels, form, **options or {}), size, channels)

    return encode_and_decode


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(image(RGB), RGB, id="RGB"),
        pytest.param(image(GREY), grey3(GREY), id="L"),
        pytest.param(image(Image.fromarray(GREY > 99)), grey3(255 * (GREY > 99)), id="1"),
        pytest.param(image(PALETTE), np.asarray(PALETTE.convert("RGB")), id="P"),
        pytest.param(image(CLEAR_PALETTE, transparency=0), CLEAR_EXPECTED, id="P transparent"),
        pytest.param(image(NOISY_ALPHA), ON_WHITE, id="RGBA"),
        pytest.param(image(np.dstack([GREY, NOISY_ALPHA[..., 3]])), np.where(NOISY_ALPHA[..., 3:], grey3(GREY), 255),
                     id="LA"),
        pytest.param(image(Image.fromarray(np.dstack([255 - RGB, 0 * GREY]), "CMYK"), "TIFF"), RGB, id="CMYK"),
        pytest.param(image(GREY.astype(np.uint16) * 257), grey3(GREY), id="I;16 PNG"),
        pytest.param(image(GREY.astype(np.uint16) * 256, "TIFF"), grey3(GREY), id="I;16 TIFF"),
        pytest.param(image(GREY.astype(np.int32), "TIFF"), grey3(GREY), id="I of bytes"),
        pytest.param(image(GREY.astype(np.int32) * 257, "TIFF"), grey3(GREY), id="I of 16 bits"),
        pytest.param(image(GREY.astype(np.float32), "TIFF"), grey3(GREY), id="F of bytes"),
        pytest.param(image((GREY / 255).astype(np.float32), "TIFF"), grey3(GREY), id="F of 0 to 1"),
        pytest.param(image(RGB, exif=EXIF), np.rot90(RGB, -1), id="EXIF rotation"),
        pytest.param(image(Image.fromarray(GREY), "GIF", save_all=True, append_images=[Image.new("L", (8, 8))]),
                     grey3(GREY), id="animation"),
    ],
)  # fmt: skip
def test_every_mode_decodes_to_known_pixels(decode, content, expected):
    assert np.array_equal(decode(*content).transpose(1, 2, 0), expected)


def test_half_transparent_red_is_composited_on_white(decode):
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    red, green, blue = decode(half)[:, 0, 0].tolist()
    assert red == 255
    assert green == blue == round(255 * (1 - 128 / 255))


@pytest.mark.parametrize(("colour", "luma"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)])
def test_greyscale_has_the_itu_601_weights(decode, colour, luma):
    assert np.unique(decode(Image.new("RGB", (8, 8), colour), channels=1)).tolist() == [luma]


def test_a_ycbcr_jpeg_keeps_its_colour(decode):
    pixel = decode(Image.new("RGB", (16, 16), (200, 40, 90)), "JPEG", {"quality": 95}, size=16)[:, 5, 5]
    assert np.abs(pixel.astype(int) - (200, 40, 90)).max() <= 3  # JPEG rounds in YCbCr


@pytest.mark.parametrize("shape", [(8, 13), (13, 8)])
def test_centre_crop_of_an_image_whose_short_side_fits_resamples_nothing(decode, make, shape):
    pixels = make.pixels(3, *shape, 3)
    top, left = (shape[0] - 8) // 2, (shape[1] - 8) // 2
    assert np.array_equal(decode(pixels).transpose(1, 2, 0), pixels[top : top + 8, left : left + 8])


def test_shrinking_is_antialiased(decode):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))  # without a filter these alias to all black or white
    inner = decode(stripes, size=16, channels=1)[0, 2:-2, 2:-2].astype(int)
    assert np.abs(inner - 127.5).max() < 10


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 12, 28])
def test_pixels_are_resized_by_the_same_rule_as_files(decode, make, size, channels):
    pixels = make.pixels(4, 5, 12, 12)
    resized = resize_images(torch.from_numpy(pixels), size, channels)
    assert np.array_equal(resized, np.stack([decode(each, size=size, channels=channels) for each in pixels]))


def test_an_extreme_strip_does_not_need_an_extreme_amount_of_memory(decode):
    strip = Image.new("L", (1, 200_000), 77)
    assert decode(strip, size=64, channels=1).tolist() == np.full((1, 64, 64), 77).tolist()


def test_images_survive_the_tensors_of_the_cache():
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    # \udce9 is how Python reads the byte é of a file name that is Latin-1
    for whole in (
        Decoded(images, torch.tensor([1, 0]), ("猫", "caf\udce9"), ("a.png: broken",)),
        Decoded(images, None, ()),
    ):
        again = Decoded.from_tensors(whole.to_tensors())
        assert torch.equal(again.images, images)
        assert (again.labels is None) == (whole.labels is None)
        assert again.labels is None or torch.equal(again.labels, whole.labels)
        assert again[2:] == whole[2:]


# ---- broken files ----------------------------------------------------------------------------------------------------


def test_more_than_one_percent_undecodable_is_refused(tmp_path, make):
    files = make.images(99)
    files["007.png"] = b"not an image"
    with pytest.raises(DataError, match=r"(?s)1 of 99 .*more than 1%.*remove or replace.*007\.png: not an image"):
        load(make.folder(tmp_path / "f", files))


def test_labels_follow_when_an_image_is_skipped(tmp_path, make):
    files = {f"{'ab'[i >= 50]}/{name}": content for i, (name, content) in enumerate(make.images(100).items())}
    files["a/000.png"] = b""
    assert load(make.folder(tmp_path / "f", files)).labels.tolist() == [0] * 49 + [1] * 50


@pytest.mark.parametrize(
    ("content", "cut", "reason"),
    [
        (image(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), "JPEG"), -400, "truncated"),
        (image(np.full((8, 8), np.nan, np.float32), "TIFF"), None, "scale is unknown"),
        (image(np.full((8, 8), -1, np.int32), "TIFF"), None, "scale is unknown"),
    ],
)
def test_reasons(tmp_path, make, content, cut, reason):
    pixels, form, options = content
    with pytest.raises(DataError, match=f"bad.tif: .*{reason}"):
        load(make.folder(tmp_path / "f", {"bad.tif": make.encoded(pixels, form, **options)[:cut]}))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("pixels_allowed", [30, 50])  # 64 pixels are over twice 30 (an error) and over 50 (a warning)
def test_decompression_bombs_are_undecodable(tmp_path, monkeypatch, make, pixels_allowed):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels_allowed)
    with pytest.raises(DataError, match="decompression bomb"):
        load(make.folder(tmp_path / "f", {"big.png": make.encoded(RGB)}))


def test_progress_is_shown(tmp_path, monkeypatch, make):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    load(make.folder(tmp_path / "slow", make.images(70)))
    assert "decoding slow" in sys.stdout.getvalue()
    assert "70/70" in sys.stdout.getvalue()


def test_what_does_not_fit_into_memory_is_refused():
    one = torch.zeros(1, 28, 28, dtype=torch.uint8)
    with pytest.raises(
        DataError, match=r"3×3000000×3000000 need 50,291\.4 GiB .* GiB are available.*smaller image_size"
    ):
        resize_images(one, 3_000_000, 3)
