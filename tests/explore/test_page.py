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


def data_in(fragment):
    return json.loads(BeautifulSoup(fragment, "html.parser").script.string)
