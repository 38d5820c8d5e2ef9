"""live.py and live.js: what the page draws is compared with what torch makes of the same latents."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from nbformat import v4
from PIL import Image
from scipy import stats
from test_generate import make_run  # noqa: F401
from test_report import LOW_CONTRAST, SIZES, save

import gancompare
from gancompare.base.streams import stream
from gancompare.data.pixels import to_uint8
from gancompare.explore import latents
from gancompare.explore import page as live
from gancompare.models import Generator, initialize
from gancompare.report.page import render_html
from gancompare.runs import reading, weights

METHODS = ("gan", "wgan", "wgan-gp")


@pytest.fixture(scope="module")
def study(make_run, tmp_path_factory):  # noqa: F811
    """Two data sets, grey and colour, of three methods with grids of their training; wgan's norms have a past."""
    root = tmp_path_factory.mktemp("results")
    for dataset, channels in (("mnist", 1), ("squares", 3)):
        for method in METHODS:
            directory = root / "one" / dataset / method / "seed0"
            (directory / "samples").mkdir(parents=True)
            make_run(directory, channels=channels, method=method)
            rename(directory, dataset)
            for step in (0, 4):
                grid = np.full((8 * 30 + 2, 8 * 30 + 2), 60 * step, np.uint8)
                Image.fromarray(grid).save(directory / "samples" / f"step{step:07d}.png")
        net = weights.load_generator(root / "one" / dataset / "wgan" / "seed0")
        weights.save_generator(root / "one" / dataset / "wgan" / "seed0", with_a_past(net))
    return root


def rename(directory, dataset):
    content = json.loads((directory / "config.json").read_text())
    content["config"]["dataset"] = dataset
    (directory / "config.json").write_text(json.dumps(content))


def with_a_past(net):
    rng = stream(0, "past")
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low in ((module.running_mean, -0.5), (module.running_var, 0.5)):
                tensor.copy_(low + torch.rand(tensor.shape, generator=rng))
            module.weight.data.copy_(0.5 + torch.rand(module.weight.shape, generator=rng))
            module.bias.data.copy_(torch.rand(module.bias.shape, generator=rng) - 0.5)
    return net


def page_of(sections, folder):
    cells = [v4.new_markdown_cell("# Study"), v4.new_markdown_cell("## What this does not show\n\nMuch.")]
    return render_html(save(cells, folder / "in.ipynb"), folder / "index.html", "Study", sections)


@pytest.fixture(scope="module")
def path(study, tmp_path_factory):
    return page_of(live.sections(study, "one"), tmp_path_factory.mktemp("page"))


def net_of(study, dataset, method):
    return weights.load_generator(study / "one" / dataset / method / "seed0")


# ---- without a browser -----------------------------------------------------------------------------------------------


OTHER_NETS = ({"norm": "none", "activation": "elu", "num_classes": 5},)
OTHER_NETS += ({"activation": "leaky-relu", "extra_layers": 2, "num_classes": 3},)
OTHER_NETS += ({"norm": "none", "activation": "tanh", "extra_layers": 1},)


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (64, 3)])
@pytest.mark.parametrize("options", [{}, *OTHER_NETS], ids=lambda options: "-".join(map(str, options.values())))
def test_folded_layers_are_the_generator(size, channels, options):
    net = with_a_past(Generator(size, channels, 16, 4, **options)).double().eval()
    z = torch.randn(5, 16, generator=stream(0, "z"), dtype=torch.float64)
    (weights, bias), *others = live.folded(net)
    wide, side, _ = net.unflatten.unflattened_size
    x = z @ weights + bias.repeat(weights.shape[1] // len(bias))
    if net.num_classes:
        x = x + live.class_shifts(net)[torch.arange(5) % net.num_classes]
    x = x.reshape(5, side, side, wide).permute(0, 3, 1, 2)
    active = {"relu": torch.relu, "elu": torch.nn.functional.elu, "tanh": torch.tanh}
    active["leaky-relu"] = lambda x: torch.where(x < 0, 0.2 * x, x)
    for weights, bias in others:
        across = round((len(weights) / x.shape[1]) ** 0.5)
        kernel = weights.reshape(-1, across, across, len(bias)).permute(0, 3, 1, 2)
        x = active[live.activation(net)](x)
        x = torch.nn.functional.conv_transpose2d(x, kernel, bias, stride=across - 2, padding=1)
    with torch.no_grad():
        torch.testing.assert_close(x.tanh(), net(z), rtol=0, atol=1e-10)


def test_work_is_counted_as_by_hand():
    dcgan = 128 * 4096 + 16 * (16 * 256 * 128 + 64 * 128 * 64 + 256 * 64 * 32) + 16 * 1024 * 32 * 3
    assert live.work(Generator(64, 3, 128, 32)) == dcgan
    extra = 9 * (16 * 256**2 + 64 * 128**2 + 256 * 64**2 + 1024 * 32**2)
    assert live.work(Generator(64, 3, 128, 32, extra_layers=1)) == dcgan + extra


@pytest.mark.parametrize("options", OTHER_NETS, ids=lambda options: "-".join(map(str, options.values())))
def test_directions_of_any_net_are_principal_components_of_what_its_first_layer_gives(options):
    net = with_a_past(Generator(28, 1, 16, 4, **options)).eval()
    found, shares = latents.principal_directions(net)
    z = torch.randn(20_000, 16, generator=stream(0, "z"))
    with torch.no_grad():
        first = net.unflatten(net.project(z))
        first = net.layers[0](first) if "norm" not in options else first
    moved = torch.from_numpy(np.linalg.lstsq(z.numpy(), (first - first.mean(0)).flatten(1).numpy(), rcond=None)[0])
    strengths = (found @ moved).square().sum(dim=1)
    torch.testing.assert_close(strengths / strengths.sum(), shares, rtol=0.02, atol=0)


def test_portable_latents_are_normal_and_independent():
    z = latents.portable(3, 400, 100)
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 0.01
    others = torch.stack([latents.portable(seed, 40, 100).flatten() for seed in range(20)])
    correlations = torch.corrcoef(others) - torch.eye(20)
    assert correlations.abs().max() < 4.5 / 4000**0.5
    assert abs(torch.corrcoef(torch.stack([z.flatten()[:-1], z.flatten()[1:]]))[0, 1]) < 4.5 / 40_000**0.5
    torch.testing.assert_close(latents.portable(3, 7, 100), z[:7], rtol=0, atol=0)
    assert latents.portable(2**32 - 1, 1, 3).isfinite().all()
    torch.testing.assert_close(latents.portable(2**32 + 5, 2, 3), latents.portable(5, 2, 3))


def test_without_weights_there_is_one_sentence_and_no_explorer(make_run, tmp_path):  # noqa: F811
    (tmp_path / "s" / "mnist" / "gan" / "seed0").mkdir(parents=True)
    make_run(tmp_path / "s" / "mnist" / "gan" / "seed0", weights=False, status="diverged")
    ((heading, text),) = live.sections(tmp_path, "s")
    assert heading == ""
    assert "No generator of this study has its weights here" in text
    page = BeautifulSoup(page_of([(heading, text)], tmp_path).read_text(), "html.parser")
    assert not page.select(".live, .film, canvas")
    assert [h.get_text() for h in page.select("main h2, main h3")] == ["Play", "What this does not show"]


def test_a_sweep_whose_runs_lie_a_level_deeper_has_no_such_section(make_run, tmp_path):  # noqa: F811
    (tmp_path / "sweep" / "base" / "mnist" / "gan" / "seed0").mkdir(parents=True)
    make_run(tmp_path / "sweep" / "base" / "mnist" / "gan" / "seed0")
    assert live.sections(tmp_path, "sweep") == []
    page = BeautifulSoup(page_of([], tmp_path).read_text(), "html.parser")
    assert [h.get_text() for h in page.select("main h2, main h3")] == ["What this does not show"]


def test_the_seed_with_most_generators_is_taken(make_run, tmp_path):  # noqa: F811
    for seed, method, weights in ((0, "gan", True), (0, "wgan", False), (1, "wgan", True), (1, "gan", True)):
        directory = tmp_path / "s" / "mnist" / method / f"seed{seed}"
        directory.mkdir(parents=True)
        make_run(directory, seed=seed, method=method, weights=weights)
    seed, nets, _ = live.with_weights(reading.load_runs(tmp_path, "s"))
    assert (seed, list(nets)) == (1, ["gan", "wgan"])


def test_page_is_offline_and_within_its_budget(path):
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    assert [h.get_text() for h in page.select("main h3")] == ["Play with mnist", "Play with squares"]
    assert all(tag["src"].startswith("data:") for tag in page.select("[src]"))
    assert len(page.select(".live")) == 2
    for box in page.select(".live"):
        for control in box.select("input, select"):
            assert box.select_one(f'label[for="{control["id"]}"]').get_text().strip()
        assert box.select_one("[role=status][aria-live=polite]")
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_larger_nets_are_rounded_more_and_still_larger_ones_rendered_beforehand(study, monkeypatch):
    nets = {"gan": net_of(study, "mnist", "gan")}
    whole = live.explorer("mnist", 0, nets)
    assert data_in(whole)["kind"] == "float16"
    halved = live.explorer("mnist", 0, nets, most=len(whole) - 1)
    assert data_in(halved)["kind"] == "int8"
    assert len(halved) < len(whole) - 1
    monkeypatch.setattr(live, "EXACT", 0)
    assert data_in(live.explorer("mnist", 0, nets))["kind"] == "int8"
    monkeypatch.setattr(live, "MOST_WORK", 1000)
    rendered = live.explorer("mnist", 0, nets)
    assert data_in(rendered)["kind"] == "atlas"
    smaller = live.explorer("mnist", 0, nets, most=len(rendered) - 1)  # lower quality
    assert data_in(smaller)["kind"] == "atlas"
    assert len(smaller) < len(rendered)
    assert live.explorer("mnist", 0, nets, most=2000) == "<p>The explorer of mnist would take more than 0.002 MB.</p>"


def test_explorer_and_animations_share_one_budget(study, monkeypatch):
    def section():
        return dict(live.sections(study, "one"))["mnist"]

    monkeypatch.setattr(live, "FRAMES", 4)
    whole = section()
    assert data_in(whole)["kind"] == "float16"
    monkeypatch.setattr(live, "BUDGET", len(whole) - 1)  # more than either of the two takes
    assert data_in(section())["kind"] == "int8"
    assert len(section()) < len(whole)
    monkeypatch.setattr(live, "MOST_WORK", 1000)
    monkeypatch.setattr(live, "BUDGET", 10**6)
    rendered = section()
    assert data_in(rendered)["kind"] == "atlas"
    monkeypatch.setattr(live, "BUDGET", len(rendered) - 1)
    assert len(section()) < len(rendered)


def test_the_sections_of_the_kept_study_are_below_8_megabytes_each():
    results = Path(gancompare.__file__).parent.parent / "results"
    if len(list((results / "first").glob("*/*/seed0/generator.safetensors"))) < 9:
        pytest.skip("the kept study is not in this checkout, or without its generators")
    found = dict(live.sections(results, "first"))
    assert set(found) == {"mnist", "fashion_mnist", "anime_faces"}
    for name, text in found.items():
        assert len(text.encode()) < 8_000_000, name
        assert data_in(text)["methods"].keys() >= set(METHODS), name
        assert "training seed 0" in text


def test_explorers_of_data_sets_with_similar_names_have_their_own_ids(study):
    nets = {"gan": net_of(study, "mnist", "gan")}
    text = "".join(live.explorer(name, 0, nets) for name in ("cats_a", "cats-a", "cats-a-0"))
    page = BeautifulSoup(text, "html.parser")
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids)) == 3 * (live.DIRECTIONS + 3)
    for box in page.select(".live"):
        assert {label["for"] for label in box.select("label")} <= {tag["id"] for tag in box.find_all(id=True)}


def test_the_text_says_whose_generators_these_are_and_how_they_were_shown(study, monkeypatch):
    nets = {"gan": net_of(study, "mnist", "gan")}

    def text():
        return BeautifulSoup(live.explorer("mnist", 7, nets), "html.parser").select_one(".about").get_text()

    assert "training seed 7, run by this page itself" in text()
    assert "Weights in half precision: at most" in text()
    monkeypatch.setattr(live, "MOST_WORK", 1000)
    assert "training seed 7, made beforehand" in text()
    assert "run by" not in text()
    assert "Weights" not in text()


def test_the_stated_difference_is_that_of_rounded_weights(study):
    """Weights are rounded here by another formula, into a copy of the net itself."""
    net = Generator(28, 3, 16, 4, norm="none")
    initialize(net, stream(0, "net"))
    with torch.no_grad():
        for weights in net.parameters():
            weights.mul_(12 if weights.ndim > 1 else 1)
    net.eval()
    stated = live.rounding(net, live.packed(net, "int8"), "int8", 16)
    copy = Generator(28, 3, 16, 4, norm="none").eval()
    copy.load_state_dict(net.state_dict())
    with torch.no_grad():
        for name, weights in copy.named_parameters():
            if weights.ndim > 1:  # a scale for each output
                rows = weights if name.startswith("project") else weights.transpose(0, 1)
                flat = rows.reshape(len(rows), -1)
                step = flat.abs().max(dim=1, keepdim=True).values / 127
                rows.copy_(((flat / step).round() * step).reshape(rows.shape))
        z = latents.portable(0, 64, 16)
        found = (to_uint8(copy(z)).int() - to_uint8(net(z)).int()).abs().max().item()
    assert found > 3
    assert abs(stated - found) <= 1


def data_in(fragment):
    return json.loads(BeautifulSoup(fragment, "html.parser").script.string)


def test_animations_fit_their_budget_or_are_left_out(study, monkeypatch):
    nets = {method: net_of(study, "squares", method) for method in METHODS}
    directories = {method: study / "one" / "squares" / method / "seed0" for method in METHODS}
    text = live.animations("squares", nets, directories)
    assert len(text) <= live.ANIMATION_BUDGET
    pictures = BeautifulSoup(text, "html.parser").find_all("img")
    frames = [Image.open(io.BytesIO(decoded(p["data-moving"]))).n_frames for p in pictures]
    assert frames == [live.FRAMES] * 3 + [2] * 3
    assert {Image.open(io.BytesIO(decoded(p["src"]))).n_frames for p in pictures} == {1}
    monkeypatch.setattr(live, "ANIMATION_BUDGET", 1000)
    assert "would take more than" in live.animations("squares", nets, directories)


def decoded(uri):
    import base64

    return base64.b64decode(uri.partition(",")[2])


def test_the_way_through_latents_ends_where_it_began(study):
    frames = [np.asarray(f).astype(int) for f in live.way(net_of(study, "mnist", "gan"), 16)]
    steps = [np.abs(a - b).mean() for a, b in zip(frames, frames[1:] + frames[:1], strict=True)]
    assert max(steps) < 4 * np.mean(steps)  # no jump, not at the seam either
    assert min(steps) > 0


# ---- in a browser ----------------------------------------------------------------------------------------------------


def drawn(box, method, size=28):
    """The images on a canvas, (count, size, size, 3)."""
    copied = box.evaluate(  # a copy: Chromium warns of canvases that are read repeatedly
        """(b, m) => { const c = b.querySelector(`canvas[data-method="${m}"]`), copy = document.createElement("canvas");
        [copy.width, copy.height] = [c.width, c.height];
        copy.getContext("2d", { willReadFrequently: true }).drawImage(c, 0, 0);
        return copy.toDataURL("image/png"); }""",
        method,
    )
    pixels = np.asarray(Image.open(io.BytesIO(decoded(copied))).convert("RGB")).astype(int)
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


@pytest.mark.browser
@pytest.mark.parametrize(("kind", "most"), [("float16", 1), ("int8", 12)])
def test_the_page_draws_what_the_generator_does(browser_page, study, tmp_path, monkeypatch, kind, most):
    if kind == "int8":
        monkeypatch.setattr(live, "EXACT", 0)
    nets = {name: {method: net_of(study, name, method) for method in METHODS} for name in ("mnist", "squares")}
    page = browser_page(page_of([(name, live.explorer(name, 0, of)) for name, of in nets.items()], tmp_path))
    for index, of_dataset in enumerate(nets.values()):
        box = opened(page, index)
        for method, net in of_dataset.items():
            assert worst(box, method, net, latents.portable(0, 16, 16)) <= most  # of 255
            assert worst(box, method, net, latents.portable(1, 16, 16)) > 60  # the measure sees other latents
    assert page.problems == []
    assert len(page.asked) == 1


@pytest.mark.browser
def test_at_64_pixels_in_8_bits_the_page_keeps_to_the_difference_it_states(browser_page, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "EXACT", 0)
    nets = {method: of_size(64, 3, method) for method in METHODS}
    page = browser_page(page_of([("faces", live.explorer("faces", 0, nets))], tmp_path))
    box = opened(page)
    stated = re.search(r"in 8 bits: at most (\d+) of 255 levels .* 64 images", box.locator(".about").inner_text())
    found = [worst(box, method, net, latents.portable(0, 16, 16)) for method, net in nets.items()]
    assert max(found) <= int(stated[1]) + 1
    assert max(found) > int(stated[1]) / 4  # not a bound that says nothing
    assert page.problems == []


@torch.no_grad()
def of_size(size, channels, method, latent_dim=16):
    net = initialize(Generator(size, channels, latent_dim, 8), stream(0, method))
    for weights in net.parameters():
        weights.mul_(8 if weights.ndim > 1 else 1)
    return with_a_past(net).eval()


@pytest.mark.browser
def test_each_method_is_drawn_at_its_own_size_and_in_its_own_colours(browser_page, tmp_path):
    nets = {"gan": of_size(28, 1, "gan"), "wgan": of_size(28, 3, "wgan", 12), "wgan-gp": of_size(64, 3, "wgan-gp")}
    page = browser_page(page_of([("mixed", live.explorer("mixed", 0, nets))], tmp_path))
    box, z = opened(page), latents.portable(0, 16, 16)
    for method, net in nets.items():
        assert worst(box, method, net, z[:, : net.latent_dim]) <= 1, method
    assert page.problems == []


@pytest.mark.browser
def test_nets_with_other_layers_are_drawn_as_well(browser_page, tmp_path):
    nets = {}
    for method, options in zip(METHODS, OTHER_NETS, strict=True):
        nets[method] = with_a_past(initialize(Generator(28, 3, 16, 4, **options), stream(0, method))).eval()
        for weights in nets[method].parameters():
            weights.data.mul_(12 if weights.ndim > 1 else 1)
    page = browser_page(page_of([("others", live.explorer("others", 0, nets))], tmp_path))
    box = opened(page)
    for method, net in nets.items():
        assert worst(box, method, net, latents.portable(0, 16, 16)) <= 1
        assert worst(box, method, net, latents.portable(1, 16, 16)) > 60
    assert page.problems == []


@pytest.mark.browser
def test_sliders_move_latents_by_keyboard_as_they_say(browser_page, study, path):
    page = browser_page(path)
    box = opened(page)
    nets = {method: net_of(study, "mnist", method) for method in METHODS}
    z = latents.portable(0, 16, 16)
    slider = box.get_by_label("direction 2", exact=True)
    slider.focus()
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    settled(page, box, "direction 2 1.5")
    assert slider.get_attribute("aria-valuetext") == "1.5"
    assert box.locator("output").nth(1).inner_text() == "1.5"
    directions = {method: latents.principal_directions(net)[0] for method, net in nets.items()}
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
    assert worst(box, "gan", nets["gan"], latents.portable(1, 16, 16)) <= 1
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    settled(page, box, "next seed, % 40")
    middle = latents.slerp(z, latents.portable(1, 16, 16), 0.4)
    assert worst(box, "gan", nets["gan"], middle) <= 1
    box.get_by_role("button", name="shuffle").click()
    box.get_by_label("way to the next seed").press("Home")
    seed = int(box.get_by_label("seed of latents").input_value())
    settled(page, box, f"latents of seed {seed}; ")
    assert worst(box, "wgan-gp", nets["wgan-gp"], latents.portable(seed, 16, 16)) <= 1
    assert page.problems == []


@pytest.mark.browser
def test_a_drag_ends_in_the_last_picture_and_draws_no_more_than_it_must(browser_page, study, path):
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
    net = net_of(study, "mnist", "gan")
    z = latents.portable(0, 16, 16) + 4 * latents.principal_directions(net)[0][0]
    assert worst(box, "gan", net, z) <= 1


@pytest.mark.browser
def test_an_atlas_shows_the_stops_of_its_sliders(browser_page, study, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "MOST_WORK", 1000)
    net = net_of(study, "mnist", "gan")
    page = browser_page(page_of([("mnist", live.explorer("mnist", 0, {"gan": net}))], tmp_path))
    box = page.locator(".live")
    box.scroll_into_view_if_needed()
    z = latents.portable(0, 4, 16)

    def differs(text, wanted):
        page.wait_for_function("(t) => document.querySelector('.live .status').textContent.includes(t)", arg=text)
        with torch.no_grad():
            images = to_uint8(net(wanted)).permute(0, 2, 3, 1).numpy().astype(int)
        return np.abs(drawn(box, "gan") - images).mean()

    other = differs("direction 1 0.0", latents.portable(1, 4, 16))
    jpeg = other / 5  # noise, as these nets draw it, is what JPEG does worst
    assert differs("direction 1 0.0", z) < jpeg
    slider = box.get_by_label("direction 2")
    slider.press("End")
    assert differs("direction 2 4.0", z + 4 * latents.principal_directions(net)[0][1]) < jpeg
    box.get_by_label("way to another seed").press("End")
    assert differs("another seed 100 %", latents.portable(1, 4, 16)) < jpeg
    assert slider.get_attribute("aria-valuetext") == "0.0"
    box.get_by_role("button", name="reset").click()
    assert differs("direction 1 0.0", z) < jpeg
    assert page.problems == []
    assert len(page.asked) == 1


@pytest.mark.browser
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


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_explorers_fit_the_screen_and_can_be_read(browser_page, path, size, scheme):
    page = browser_page(path, SIZES[size], scheme)
    opened(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    found = page.evaluate(LOW_CONTRAST)
    assert found["low"] == []
    tops = (
        page.locator(".live").first.locator("canvas").evaluate_all("(c) => c.map((x) => x.getBoundingClientRect().top)")
    )
    assert len(set(tops)) == (1 if size == "desktop" else 2)  # side by side, on a phone two at a time
    assert page.problems == []
