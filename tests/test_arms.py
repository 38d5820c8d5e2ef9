"""arms.py: how methods are named, coloured and ordered."""

from gancompare import arms
from gancompare.recipes import MAIN_METHODS


def test_every_method_has_a_colour_of_its_own():
    assert len(set(arms.COLORS.values())) == len(arms.COLORS) == 5
    assert arms.color("mine") not in arms.COLORS.values()


def test_a_method_of_a_reader_keeps_its_name_and_comes_last():
    assert [arms.name(method) for method in (*MAIN_METHODS, "mine")] == ["GAN", "WGAN", "WGAN-GP", "mine"]
    assert arms.in_order(["mine", "gan-gp", "wgan-gp", "gan"]) == ["gan", "wgan-gp", "gan-gp", "mine"]
