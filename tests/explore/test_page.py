"""page.py: which generators a page gets, in which form, within which limits."""

import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import gancompare
from gancompare.explore.page import Limits, explorer, sections, with_weights
from gancompare.runs import reading

METHODS = ("gan", "wgan", "wgan-gp")


def data_in(fragment):
    return json.loads(BeautifulSoup(fragment, "html.parser").script.string)


def test_without_weights_there_is_one_sentence_and_no_explorer(make_run, tmp_path):
    make_run(tmp_path / "s" / "mnist" / "gan" / "seed0", weights=False, status="diverged")
    ((heading, text),) = sections(tmp_path, "s")
    assert heading == ""
    assert "No generator of this study has its weights here" in text
    assert not BeautifulSoup(text, "html.parser").select(".live, .film, canvas")


def test_a_sweep_whose_runs_lie_a_level_deeper_has_no_such_section(make_run, tmp_path):
    make_run(tmp_path / "sweep" / "base" / "mnist" / "gan" / "seed0")
    assert sections(tmp_path, "sweep") == []


def test_the_seed_with_most_generators_is_taken(make_run, tmp_path):
    for seed, method, weights in ((0, "gan", True), (0, "wgan", False), (1, "wgan", True), (1, "gan", True)):
        make_run(tmp_path / "s" / "mnist" / method / f"seed{seed}", seed=seed, method=method, weights=weights)
    seed, nets, _ = with_weights(reading.load_runs(tmp_path, "s"))
    assert (seed, list(nets)) == (1, ["gan", "wgan"])


def test_page_is_offline_and_each_control_has_a_label(kept, page_of, tmp_path):
    made = sections(kept, "one")
    assert [name for name, _ in made] == ["mnist", "squares"]
    page = BeautifulSoup(page_of(made, tmp_path).read_text(encoding="utf-8"), "html.parser")
    assert all(tag["src"].startswith("data:") for tag in page.select("[src]"))
    assert len(page.select(".live")) == 2
    for box in page.select(".live"):
        for control in box.select("input, select"):
            assert box.select_one(f'label[for="{control["id"]}"]').get_text().strip()
        assert box.select_one("[role=status][aria-live=polite]")
        assert [caption.get_text() for caption in box.select("figcaption")] == ["GAN", "WGAN", "WGAN-GP"]
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_larger_nets_are_rounded_more_and_still_larger_ones_drawn_beforehand(net_of):
    nets = {"gan": net_of("mnist", "gan")}
    whole = explorer("mnist", 0, nets)
    assert data_in(whole)["kind"] == "float16"
    halved = explorer("mnist", 0, nets, limits=Limits(section=len(whole.encode()) - 1))
    assert data_in(halved)["kind"] == "int8"
    assert len(halved) < len(whole) - 1
    assert data_in(explorer("mnist", 0, nets, limits=Limits(exact=0)))["kind"] == "int8"
    drawn = explorer("mnist", 0, nets, limits=Limits(work=1000))
    assert data_in(drawn)["kind"] == "atlas"
    smaller = explorer("mnist", 0, nets, limits=Limits(work=1000, section=len(drawn.encode()) - 1))  # lower quality
    assert data_in(smaller)["kind"] == "atlas"
    assert len(smaller) < len(drawn)
    nothing = explorer("mnist", 0, nets, limits=Limits(work=1000, section=2000))
    assert nothing == "<p>The explorer of mnist would take more than 0.002 MB.</p>"


def test_explorer_and_animations_share_one_budget(kept):
    def section(**limits):
        return dict(sections(kept, "one", Limits(frames=4, **limits)))["mnist"]

    whole = section()
    assert data_in(whole)["kind"] == "float16"
    smaller = section(section=len(whole.encode()) - 1)  # more than either of the two takes
    assert data_in(smaller)["kind"] == "int8"
    assert len(smaller) < len(whole)
    drawn = section(work=1000, section=10**6)
    assert data_in(drawn)["kind"] == "atlas"
    assert len(section(work=1000, section=len(drawn.encode()) - 1)) < len(drawn)


@pytest.mark.slow
def test_the_sections_of_the_kept_study_are_below_8_megabytes_each():
    results = Path(gancompare.__file__).parent.parent / "results"
    if len(list((results / "first").glob("*/*/seed0/generator.safetensors"))) < 9:
        pytest.skip("the kept study is not in this checkout, or without its generators")
    made = dict(sections(results, "first"))
    assert set(made) == {"mnist", "fashion_mnist", "anime_faces"}
    for name, text in made.items():
        assert len(text.encode()) < 8_000_000, name
        assert data_in(text)["methods"].keys() >= set(METHODS), name
        assert "training seed 0" in text


def test_explorers_of_data_sets_with_similar_names_have_their_own_ids(net_of):
    nets = {"gan": net_of("mnist", "gan")}
    text = "".join(explorer(name, 0, nets) for name in ("cats_a", "cats-a", "cats-a-0"))
    page = BeautifulSoup(text, "html.parser")
    ids = [tag["id"] for tag in page.find_all(id=True)]
    sliders = 7  # six directions, and the way to the next seed
    assert len(ids) == len(set(ids)) == 3 * (sliders + 2)  # and the seed, and whose directions
    for box in page.select(".live"):
        assert {label["for"] for label in box.select("label")} <= {tag["id"] for tag in box.find_all(id=True)}


def test_the_text_says_whose_generators_these_are_and_how_they_were_shown(net_of):
    nets = {"gan": net_of("mnist", "gan")}

    def text(limits):
        return BeautifulSoup(explorer("mnist", 7, nets, limits=limits), "html.parser").select_one(".about").get_text()

    live = text(Limits())
    assert "training seed 7, run by this page itself" in live
    assert "Weights in half precision: at most" in live
    drawn = text(Limits(work=1000))
    assert "training seed 7, made beforehand" in drawn
    assert "run by" not in drawn
    assert "Weights" not in drawn


def test_names_of_data_sets_and_methods_are_escaped(net_of):
    """A user's folder or objective may be called anything; the page must not run it."""
    text = explorer("</script><b>", 0, {"<i>mine": net_of("mnist", "gan")})
    page = BeautifulSoup(text, "html.parser")
    assert not page.select("b, i")
    assert data_in(text)["dataset"] == "</script><b>"
    assert page.select_one("figcaption").get_text() == "<i>mine"
