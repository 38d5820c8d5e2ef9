"""live.js in a browser: what the page draws is compared with what torch makes of the same latents."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gancompare.base.streams import stream
from gancompare.data.pixels import to_uint8
from gancompare.explore.latents import portable, principal_directions, slerp
from gancompare.explore.page import Limits, explorer, sections
from gancompare.models import Generator, initialize

pytestmark = [pytest.mark.browser, pytest.mark.slow]

METHODS = ("gan", "wgan", "wgan-gp")
SIZES = {"desktop": (1280, 800), "phone": (360, 740)}
LOW_CONTRAST = (Path(__file__).parent.parent / "low_contrast.js").read_text()
OTHER_NETS = ({"norm": "none", "activation": "elu", "num_classes": 5},)
OTHER_NETS += ({"activation": "leaky-relu", "extra_layers": 2, "num_classes": 3},)
OTHER_NETS += ({"norm": "none", "activation": "tanh", "extra_layers": 1},)


@pytest.fixture(scope="module")
def path(kept, page_of, tmp_path_factory):
    return page_of(sections(kept, "one"), tmp_path_factory.mktemp("page"))


def drawn(box, method, size=28):
    """The images on a canvas, (count, size, size, 3)."""
    copied = box.evaluate(  # a copy: Chromium warns of canvases that are read repeatedly
        """(b, m) => { const c = b.querySelector(`canvas[data-method="${m}"]`), copy = document.createElement("canvas");
        [copy.width, copy.height] = [c.width, c.height];
        copy.getContext("2d", { willReadFrequently: true }).drawImage(c, 0, 0);
        return copy.toDataURL("image/png"); }""",
        method,
    )
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(copied.partition(",")[2]))).convert("RGB")).astype(int)
    pitch = size + 2
    rows, columns = ((length - 2) // pitch for length in pixels.shape[:2])
    corners = [(2 + pitch * row, 2 + pitch * column) for row in range(rows) for column in range(columns)]
    return np.stack([pixels[top : top + size, left : left + size] for top, left in corners])


def worst(box, method, net, z):
    with torch.no_grad():
        wanted = to_uint8(net(z)).permute(0, 2, 3, 1).numpy().astype(int)
    return np.abs(drawn(box, method, wanted.shape[1]) - wanted).max()


def settled(page, box, text=""):
    """Wait until all is drawn, and the line below the controls says it."""
    done = "([b, t]) => b.ariaBusy === 'false' && b.querySelector('.status').textContent.includes(t)"
    page.wait_for_function(done, arg=[box.element_handle(), text])


def opened(page, index=0, text=""):
    box = page.locator(".live").nth(index)
    box.scroll_into_view_if_needed()
    settled(page, box, text)
    return box


@pytest.mark.parametrize(("kind", "most"), [("float16", 1), ("int8", 12)])
def test_the_page_draws_what_the_generator_does(browser_page, net_of, page_of, tmp_path, kind, most):
    limits = Limits(exact=0) if kind == "int8" else Limits()
    nets = {name: {method: net_of(name, method) for method in METHODS} for name in ("mnist", "squares")}
    page = browser_page(
        page_of([(name, explorer(name, 0, mine, limits=limits)) for name, mine in nets.items()], tmp_path)
    )
    for index, mine in enumerate(nets.values()):
        box = opened(page, index)
        for method, net in mine.items():
            assert worst(box, method, net, portable(0, 16, 16)) <= most  # of 255
            assert worst(box, method, net, portable(1, 16, 16)) > 60  # the measure sees other latents
    assert page.problems == []
    assert len(page.asked) == 1


def test_at_64_pixels_in_8_bits_the_page_keeps_to_the_difference_it_states(
    browser_page, page_of, net_of_size, tmp_path
):
    nets = {method: net_of_size(64, 3, method) for method in METHODS}
    page = browser_page(page_of([("faces", explorer("faces", 0, nets, limits=Limits(exact=0)))], tmp_path))
    box = opened(page)
    stated = re.search(r"in 8 bits: at most (\d+) of 255 levels .* 64 images", box.locator(".about").inner_text())
    differences = [worst(box, method, net, portable(0, 16, 16)) for method, net in nets.items()]
    assert max(differences) <= int(stated[1]) + 1
    assert max(differences) > int(stated[1]) / 4  # not a bound that says nothing
    assert page.problems == []


@pytest.fixture
def net_of_size(with_a_past):
    @torch.no_grad()
    def make(size, channels, method, latent_dim=16):
        net = initialize(Generator(size, channels, latent_dim, 8), stream(0, method))
        for weights in net.parameters():
            weights.mul_(8 if weights.ndim > 1 else 1)
        return with_a_past(net).eval()

    return make


def test_each_method_is_drawn_at_its_own_size_and_in_its_own_colours(browser_page, page_of, net_of_size, tmp_path):
    nets = {"gan": net_of_size(28, 1, "gan"), "wgan": net_of_size(28, 3, "wgan", 12)}
    nets |= {"wgan-gp": net_of_size(64, 3, "wgan-gp")}
    page = browser_page(page_of([("mixed", explorer("mixed", 0, nets))], tmp_path))
    box, z = opened(page), portable(0, 16, 16)
    for method, net in nets.items():
        assert worst(box, method, net, z[:, : net.latent_dim]) <= 1, method
    assert page.problems == []


def test_nets_with_other_layers_are_drawn_as_well(browser_page, page_of, with_a_past, tmp_path):
    nets = {}
    for method, options in zip(METHODS, OTHER_NETS, strict=True):
        nets[method] = with_a_past(initialize(Generator(28, 3, 16, 4, **options), stream(0, method))).eval()
        for weights in nets[method].parameters():
            weights.data.mul_(12 if weights.ndim > 1 else 1)
    page = browser_page(page_of([("others", explorer("others", 0, nets))], tmp_path))
    box = opened(page)
    for method, net in nets.items():
        assert worst(box, method, net, portable(0, 16, 16)) <= 1
        assert worst(box, method, net, portable(1, 16, 16)) > 60
    assert page.problems == []


def test_sliders_move_latents_by_keyboard_as_they_say(browser_page, net_of, path):
    page = browser_page(path)
    box = opened(page)
    nets = {method: net_of("mnist", method) for method in METHODS}
    z = portable(0, 16, 16)
    slider = box.get_by_label("direction 2", exact=True)
    slider.focus()
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    settled(page, box, "direction 2 1.5")
    assert slider.get_attribute("aria-valuetext") == "1.5"
    assert box.locator("output").nth(1).inner_text() == "1.5"
    directions = {method: principal_directions(net)[0] for method, net in nets.items()}
    for method in METHODS:
        assert worst(box, method, nets[method], z + 1.5 * directions["gan"][1]) <= 1
    box.get_by_label("directions of").select_option("each method")
    settled(page, box)
    for method in METHODS:
        assert worst(box, method, nets[method], z + 1.5 * directions[method][1]) <= 1
    box.get_by_label("directions of").select_option("single coordinates")
    settled(page, box, "coordinate 1 1.5")
    assert worst(box, "wgan", nets["wgan"], z + 1.5 * torch.eye(16)[1]) <= 1
    box.get_by_role("button", name="reset").click()
    settled(page, box, "latents of seed 0; ")
    box.get_by_label("way to the next seed").press("End")
    settled(page, box, "next seed, % 100")
    assert worst(box, "gan", nets["gan"], portable(1, 16, 16)) <= 1
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    settled(page, box, "next seed, % 40")
    middle = slerp(z, portable(1, 16, 16), 0.4)
    assert worst(box, "gan", nets["gan"], middle) <= 1
    box.get_by_role("button", name="shuffle").click()
    box.get_by_label("way to the next seed").press("Home")
    seed = int(box.get_by_label("seed of latents").input_value())
    settled(page, box, f"latents of seed {seed}; ")
    assert worst(box, "wgan-gp", nets["wgan-gp"], portable(seed, 16, 16)) <= 1
    assert page.problems == []


def test_a_drag_ends_in_the_last_picture_and_draws_no_more_than_it_must(browser_page, net_of, path):
    page = browser_page(path)
    box = opened(page)
    box.evaluate(
        """(b) => { b.drawn = 0; const put = CanvasRenderingContext2D.prototype.putImageData;
        CanvasRenderingContext2D.prototype.putImageData = function (...a) { b.drawn += 1; return put.apply(this, a); };
        const s = b.querySelector("input[type=range]");
        for (let i = 1; i <= 40; i += 1) { s.value = i / 10; s.dispatchEvent(new Event("input")); } }"""
    )
    settled(page, box, "direction 1 4")
    assert box.evaluate("(b) => b.drawn") == 3 * 16
    net = net_of("mnist", "gan")
    z = portable(0, 16, 16) + 4 * principal_directions(net)[0][0]
    assert worst(box, "gan", net, z) <= 1


def test_an_atlas_shows_the_stops_of_its_sliders(browser_page, net_of, page_of, tmp_path):
    net = net_of("mnist", "gan")
    page = browser_page(page_of([("mnist", explorer("mnist", 0, {"gan": net}, limits=Limits(work=1000)))], tmp_path))
    box = page.locator(".live")
    box.scroll_into_view_if_needed()
    z = portable(0, 4, 16)

    def differs(text, wanted):
        page.wait_for_function("(t) => document.querySelector('.live .status').textContent.includes(t)", arg=text)
        with torch.no_grad():
            images = to_uint8(net(wanted)).permute(0, 2, 3, 1).numpy().astype(int)
        return np.abs(drawn(box, "gan") - images).mean()

    other = differs("direction 1 0.0", portable(1, 4, 16))
    jpeg = other / 5  # noise, as these nets draw it, is what JPEG does worst
    assert differs("direction 1 0.0", z) < jpeg
    slider = box.get_by_label("direction 2")
    slider.press("End")
    assert differs("direction 2 4.0", z + 4 * principal_directions(net)[0][1]) < jpeg
    box.get_by_label("way to another seed").press("End")
    assert differs("another seed 100 %", portable(1, 4, 16)) < jpeg
    assert slider.get_attribute("aria-valuetext") == "0.0"
    box.get_by_role("button", name="reset").click()
    assert differs("direction 1 0.0", z) < jpeg
    assert page.problems == []
    assert len(page.asked) == 1


def test_animations_stand_still_until_they_are_played(browser_page, path):
    page = browser_page(path)
    film = page.locator(".film").first
    picture, button = film.locator("img").first, film.locator("button")
    still, moving = picture.get_attribute("src"), picture.get_attribute("data-moving")
    assert still != moving
    button.press("Enter")
    assert picture.get_attribute("src") == moving
    assert button.inner_text().startswith("Stop: ")
    button.press("Enter")
    assert picture.get_attribute("src") == still
    assert button.inner_text().startswith("Play: ")
    assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_explorers_fit_the_screen_and_can_be_read(browser_page, path, size, scheme):
    page = browser_page(path, SIZES[size], scheme)
    opened(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    assert page.evaluate(LOW_CONTRAST)["low"] == []
    tops = (
        page.locator(".live").first.locator("canvas").evaluate_all("(c) => c.map((x) => x.getBoundingClientRect().top)")
    )
    assert len(set(tops)) == (1 if size == "desktop" else 2)  # side by side, on a phone two at a time
    assert page.problems == []
