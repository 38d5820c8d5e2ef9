"""arms.py: what an arm sets, and how it is named, coloured, dashed and ordered."""

import pytest

from gancompare import arms
from gancompare.arms import ARMS, FACTORIAL, ArmError, arm_of
from gancompare.config import ConfigError, RunConfig
from gancompare.objectives import METHODS
from gancompare.recipes import MAIN_METHODS
from gancompare.study.grid import plan


def test_every_method_has_a_colour_of_its_own():
    assert len(set(arms.COLORS.values())) == len(arms.COLORS) == 5
    assert arms.color("mine") not in arms.COLORS.values()


def test_a_method_of_a_reader_keeps_its_name_and_comes_last():
    assert [arms.name(method) for method in (*MAIN_METHODS, "mine")] == ["GAN", "WGAN", "WGAN-GP", "mine"]
    assert arms.in_order(["mine", "gan-gp", "wgan-gp", "gan"]) == ["gan", "wgan-gp", "gan-gp", "mine"]


def test_a_method_is_the_arm_of_its_name_with_the_steps_of_its_paper():
    for method, objective in METHODS.items():
        assert arm_of(method) == (method, method, {"n_critic": objective().n_critic})


def test_the_factorial_arms_cross_loss_constraint_and_critic_steps():
    configs = plan(["mnist"], FACTORIAL, [0], profile="smoke")
    cells = {config.arm: (config.method, config.n_critic) for config in configs}
    assert len(set(cells.values())) == len(cells) == 8
    for method in ("gan", "gan-gp", "wgan", "wgan-gp"):
        assert {(method, 1), (method, 5)} <= set(cells.values())
    assert cells["gan-5"] == ("gan", 5)
    assert cells["wgan-gp-1"] == ("wgan-gp", 1)


@pytest.mark.parametrize(
    ("text", "name", "method", "fields"),
    [
        ("gan:n_critic=5", "gan-5", "gan", {"n_critic": 5}),  # a named arm's settings get its name
        ("wgan-gp:n-critic=5", "wgan-gp", "wgan-gp", {"n_critic": 5}),
        ("wgan:clip=0.05", "wgan,clip=0.05", "wgan", {"clip": 0.05}),
        ("gan:critic_norm=batch", "gan,critic_norm=batch", "gan", {"critic_norm": "batch"}),
        (
            "wgan-gp:penalty_weight=1,one_sided_penalty=True",
            "wgan-gp,penalty_weight=1,one_sided_penalty=True",
            "wgan-gp",
            {"penalty_weight": 1, "one_sided_penalty": True},
        ),
    ],
)
def test_settings_make_an_arm(text, name, method, fields):
    assert arm_of(text) == (name, method, fields)
    (config,) = plan(["mnist"], [text], [0])
    assert (config.arm, config.method) == (name, method)
    assert {key: getattr(config, key) for key in fields} == fields
    assert arms.method_of(name) == method


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wgangp", "choose one of gan, gan-5"),
        ("gan:n_critic", "'n_critic' is not of the form field=value"),
        ("gan:=5", "'=5' is not of the form"),
        ("gan:,", "no settings after the colon"),
    ],
)
def test_what_is_no_arm_is_named(text, message):
    with pytest.raises(ArmError, match=message):
        arm_of(text)


def test_a_misspelled_setting_of_an_arm_is_named():
    with pytest.raises(ConfigError, match="did you mean 'n_critic'"):
        plan(["mnist"], ["gan:n_critik=5"], [0])


def test_what_all_arms_are_asked_for_outweighs_a_methods_own_number_of_critic_steps_alone():
    configs = plan(["mnist"], ["gan", "gan-5", "wgan"], [0], n_critic=3)
    assert {config.arm: config.n_critic for config in configs} == {"gan": 3, "gan-5": 5, "wgan": 3}


def test_one_hue_a_loss_and_one_line_style_a_number_of_critic_steps():
    warm, cool = ({arms.color(arm) for arm in FACTORIAL if arm.startswith(loss)} for loss in ("gan", "wgan"))

    def red_over_blue(color):
        return int(color[1:3], 16) > int(color[5:7], 16)

    assert all(map(red_over_blue, warm))
    assert not any(map(red_over_blue, cool))
    assert {arms.dashes(arm) for arm in ("gan", "gan-gp-1", "wgan-1", "wgan-gp-1")} == {arms.DASHES[1]}
    assert {arms.dashes(arm) for arm in ("gan-5", "gan-gp", "wgan", "wgan-gp")} == {()}
    assert arms.dashes("gan,n_critic=3") == arms.dashes("mine") != ()


@pytest.mark.parametrize("arm", ["../up", "a b", "", ".hidden", "a/b"])
def test_the_name_of_an_arm_is_safe_as_a_directory(arm):
    with pytest.raises(ConfigError, match="arm="):
        RunConfig(arm=arm)


def test_arms_of_every_name_have_one_to_show():
    assert all(arms.name(arm) == arm.upper() for arm in FACTORIAL)
    assert set(ARMS) == {*FACTORIAL, "gan-minimax"}
