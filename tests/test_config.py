"""config.py against the published recipes, and against values that a hurried user might type."""

import dataclasses
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from gancompare.config import FIELDS, ConfigError, RunConfig, nearest
from gancompare.data.datasets import BUILT_IN
from gancompare.objectives import METHODS
from gancompare.recipes import MAIN_METHODS, PROFILES, RECIPES

LABELS = {"profile", "recipe", "arm"}  # what they set counts, not their names
OUTPUT = {"device", "log_every", "sample_every", "measurements", "checkpoint_every", "tensorboard"}
OUTPUT |= {"extractor", "monitor_images", "evaluation_images", "mode_images"}


# fields


def test_main_methods():
    assert MAIN_METHODS == ("gan", "wgan", "wgan-gp")


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_a_help_text_and_a_default_it_accepts(name):
    field = FIELDS[name]
    assert len(field.metadata["help"].split()) >= 2
    default = field.metadata["default"]
    if name in ("n_critic", "arm"):
        default = {"n_critic": 1, "arm": "gan-5"}[name]  # every objective brings its own
    assert type(default) is field.type
    assert getattr(RunConfig(**{name: default}), name) == default


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.type in (int, float)])
def test_every_number_has_a_closed_range_or_choices(name):
    field = FIELDS[name]
    low, high, choices = (field.metadata[key] for key in ("low", "high", "choices"))
    if choices:
        allowed, refused = list(choices), [max(choices) + 1]
    else:
        beyond = (lambda x, to: x + to) if field.type is int else (lambda x, to: math.nextafter(x, to * math.inf))
        allowed, refused = [low], [beyond(low, -1)]
        if high is not None:
            allowed, refused = [low, high], [beyond(low, -1), beyond(high, 1)]
    for value in allowed:
        assert getattr(RunConfig(**{name: value}), name) == value
    for value in refused:
        with pytest.raises(ConfigError, match=name):
            RunConfig(**{name: value})


@pytest.mark.parametrize(
    ("method", "profile", "recipe", "dataset"), itertools.product(METHODS, PROFILES, RECIPES, [*BUILT_IN, "a/folder"])
)
def test_every_combination_is_complete(method, profile, recipe, dataset):
    config = RunConfig(method=method, profile=profile, recipe=recipe, dataset=dataset)
    types = {name: type(value) for name, value in config.to_dict().items()}
    assert types == {name: field.type for name, field in FIELDS.items()}


@pytest.mark.parametrize(
    "row", [*PROFILES.values(), *(row for by_method in RECIPES.values() for row in by_method.values())]
)
def test_profiles_and_recipes_set_fields_that_exist(row):
    assert set(row) <= set(FIELDS)  # a misspelled key would be without effect


def test_a_profile_says_how_long_and_how_wide_only():
    lengths = {"generator_steps", "batch_size", "base_channels", "latent_dim"}
    assert {key for row in PROFILES.values() for key in row} <= lengths | OUTPUT


def test_frozen():
    config = RunConfig()
    for name in FIELDS:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, name, getattr(config, name))


# bad values


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        # type
        ("seed", "0", "whole number"),
        ("seed", 1.0, "whole number"),
        ("seed", True, "whole number"),
        ("seed", np.bool_(True), "whole number"),
        ("seed", [0], "whole number"),
        ("generator_steps", 1e3, "whole number"),
        ("lr_critic", "2e-4", "a number"),
        ("lr_critic", True, "a number"),
        ("horizontal_flip", 1, "True or False"),
        ("horizontal_flip", "yes", "True or False"),
        ("tensorboard", 0, "True or False"),
        ("dataset", 28, "text"),
        ("method", 1, "text"),
        ("image_size", "64", "whole number"),
        # range
        ("seed", -1, "0"),
        ("seed", np.int64(-1), "0"),
        ("seed", 2**31, "2147483647"),
        ("batch_size", 0, "1"),
        ("n_critic", 0, "1"),
        ("log_every", 0, "1"),
        ("clip", 0.0, "1e-06"),
        ("penalty_weight", -1.0, "0"),
        ("beta1", 1.0, "0.99999"),
        ("lr_generator", math.nan, "0"),
        ("lr_generator", math.inf, "1"),
        ("lr_generator", np.float64("nan"), "0"),
        ("ema_decay", 1.0, "0.999999"),
        # choice
        ("method", "wgan_gp", "wgan-gp"),
        ("method", "", "gan-minimax"),
        ("recipe", "papers", "paper"),
        ("profile", "fast", "quick"),
        ("image_size", 48, "64"),
        ("channels", 2, "3"),
        ("critic_norm", "layernorm", "layer"),
        ("optimizer", "sgd", "rmsprop"),
        ("lr_schedule", "Linear", "linear"),
        ("precision", "fp16", "bf16"),
        ("device", "gpu", "cuda"),
        ("device", "cuda:", "cuda:N"),
        ("device", "cpu0", "cpu"),
    ],
)
def test_a_bad_value_is_refused_with_field_value_and_remedy(name, value, remedy):
    with pytest.raises(ConfigError) as caught:
        RunConfig(**{name: value})
    shown = value.item() if isinstance(value, np.generic) else value
    assert f"{name}={shown!r}" in str(caught.value)
    assert remedy in str(caught.value).removeprefix(f"{name}={shown!r}")
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(("name", "value"), [("dataset", ""), ("device", "")])
def test_empty_text_is_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        RunConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("seed", np.int64(3), 3),
        ("seed", np.uint8(3), 3),
        ("image_size", np.int32(32), 32),
        ("clip", np.float64(0.25), 0.25),
        ("clip", np.int64(1), 1.0),
        ("clip", 1, 1.0),
        ("horizontal_flip", np.bool_(True), True),
        ("method", np.str_("gan"), "gan"),
        ("dataset", Path("some") / "folder", str(Path("some/folder"))),
        ("device", "cuda:12", "cuda:12"),
    ],
)
def test_a_value_of_an_equivalent_type_becomes_the_plain_one(name, value, expected):
    config = RunConfig(**{name: value})
    got = getattr(config, name)
    assert got == expected
    assert type(got) is type(expected)
    assert config.hash() == RunConfig(**{name: expected}).hash()


# what fills a field

LAYERS = {"explicit": 32, "profile": 128, "method": 96, "recipe": 256, "dataset": 28, "default": 64}


@pytest.mark.parametrize("lowest", range(len(LAYERS)))
def test_order_in_which_a_field_is_filled(lowest, monkeypatch):
    """Each layer gives image_size its own value; with the first layers silent, the next one decides."""
    speaking = dict(list(LAYERS.items())[lowest:])
    arguments = {"dataset": "mnist5k" if "dataset" in speaking else "a/folder", "method": "gan", "recipe": "mine"}
    by_method = {"gan": {}, "*": {}}
    if "recipe" in speaking:
        by_method = {"*": {"image_size": speaking["recipe"]}}
    if "method" in speaking:
        by_method["gan"] = {"image_size": speaking["method"]}
    monkeypatch.setitem(RECIPES, "mine", by_method)
    if "profile" in speaking:
        monkeypatch.setitem(PROFILES, "quick", {"image_size": speaking["profile"]})
    if "explicit" in speaking:
        arguments["image_size"] = speaking["explicit"]
    assert RunConfig(**arguments).image_size == next(iter(speaking.values()))


@pytest.mark.parametrize(("name", "value"), [("ema_decay", 0.0), ("lr_critic", 0.0), ("horizontal_flip", False)])
def test_an_explicit_zero_is_a_value(name, value, monkeypatch):
    monkeypatch.setitem(PROFILES, "quick", {"horizontal_flip": True, "ema_decay": 0.5, "lr_critic": 0.5})
    assert getattr(RunConfig(), name) != value
    assert getattr(RunConfig(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [("mnist5k", (28, 1)), ("fashion_mnist", (28, 1)), ("anime_faces", (64, 3)), ("my/own/folder", (64, 3))],
)
def test_the_dataset_sets_size_and_channels(dataset, expected):
    config = RunConfig(dataset=dataset)
    assert (config.image_size, config.channels) == expected


# recipes


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("dataset", [*BUILT_IN, "a/folder"])
def test_shared_recipe_differs_in_method_and_critic_steps_alone(profile, dataset):
    configs = [RunConfig(method=method, profile=profile, dataset=dataset, recipe="shared") for method in MAIN_METHODS]
    assert [config.n_critic for config in configs] == [1, 5, 5]
    for first, second in itertools.combinations(configs, 2):
        mine, others = first.to_dict(), second.to_dict()
        differing = {name for name in FIELDS if mine[name] != others[name]}
        assert differing - {"n_critic"} == {"method", "arm"}


def test_tuned_recipe_is_shared_until_a_file_says_more():
    assert not RunConfig(recipe="tuned", method="wgan").differences(RunConfig(recipe="shared", method="wgan"))


def test_shared_recipe_is_the_default_and_suits_a_penalty():
    assert RunConfig() == RunConfig(recipe="shared", method="wgan-gp")
    assert RunConfig().critic_norm != "batch"
    assert RunConfig().beta1 == 0.0


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # Radford et al. 2016, §4; Adam's own beta2
        ("gan", {"optimizer": "adam", "lr_generator": 2e-4, "lr_critic": 2e-4, "beta1": 0.5, "beta2": 0.999}),
        # Arjovsky et al. 2017, Algorithm 1
        ("wgan", {"optimizer": "rmsprop", "lr_generator": 5e-5, "lr_critic": 5e-5, "clip": 0.01, "n_critic": 5}),
        # Gulrajani et al. 2017, Algorithm 1
        (
            "wgan-gp",
            {"optimizer": "adam", "lr_generator": 1e-4, "lr_critic": 1e-4, "beta1": 0.0, "beta2": 0.9}
            | {"penalty_weight": 10.0, "n_critic": 5},
        ),
    ],
)
def test_paper_recipe_trains_as_the_authors_did(method, expected):
    values = RunConfig(method=method, recipe="paper").to_dict()
    assert {name: values[name] for name in expected} == expected


@pytest.mark.parametrize("method", ["wgan-gp", "gan-gp"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_no_recipe_puts_batch_norm_beneath_a_gradient_penalty(method, recipe):
    assert RunConfig(method=method, recipe=recipe).critic_norm != "batch"


# files


def through_json(config):
    """As a config goes to ``config.json`` and comes back."""
    return RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"dataset": 'a "quoted" folder/顔 é\\x', "method": "gan", "seed": 2**31 - 1},
        {"recipe": "paper", "method": "wgan", "clip": 1 / 3, "lr_critic": 1e-5, "horizontal_flip": True},
        {"profile": "smoke", "n_critic": 7, "device": "cuda:1", "tensorboard": True, "ema_decay": 0.0},
    ],
)
def test_json_round_trip(values):
    config = RunConfig(**values)
    assert through_json(config) == config
    assert RunConfig.from_dict(config.to_dict()) == config
    written = json.loads(json.dumps(config.to_dict()))
    assert set(written) == set(FIELDS)
    assert {name: written[name] for name in values} == values


def test_json_keeps_what_was_filled_in_when_a_recipe_changes_later(monkeypatch):
    written = RunConfig(recipe="shared")
    monkeypatch.setitem(RECIPES, "shared", {"*": {"lr_critic": 2 * written.lr_critic}})
    assert RunConfig().lr_critic == 2 * written.lr_critic
    assert through_json(written) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"learning_rate": 1}', "learning_rate"), ('{"clip": NaN}', "clip=nan"), ('{"seed": "0"}', "seed='0'")],
)
def test_json_that_is_no_config_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig.from_dict(json.loads(text))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("n_critics", "n_critic"), ("batchsize", "batch_size"), ("lr_generater", "lr_generator"), ("Seed", "seed")],
)
def test_an_unknown_field_is_refused_with_the_nearest_name(wrong, right):
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_dict({"seed": 1, wrong: 1})
    assert repr(wrong) in str(caught.value)
    assert f"did you mean {right!r}" in str(caught.value)


def test_a_name_like_none_is_answered_with_all_of_them():
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_dict({"zzzzzz": 1})
    assert all(name in str(caught.value) for name in FIELDS)
    assert "did you mean" not in str(caught.value)
    assert nearest("wgn", METHODS) == "did you mean 'wgan'?"


# hash


def another_value(name, value):
    field = FIELDS[name]
    if field.metadata["choices"]:
        return next(choice for choice in field.metadata["choices"] if choice != value)
    if name == "device":
        return "cpu"
    return {bool: lambda: not value, int: lambda: value + 1, float: lambda: value / 2 + 1e-5}.get(
        field.type, lambda: f"{value}-other"
    )()


@pytest.mark.parametrize("name", FIELDS)
def test_hash_and_differences_tell_what_shapes_the_weights(name):
    config = RunConfig()
    other = dataclasses.replace(config, **{name: another_value(name, getattr(config, name))})
    assert other != config
    shapes = name not in LABELS | OUTPUT
    assert (other.hash() != config.hash()) == shapes
    assert config.differences(other) == ({name: (getattr(config, name), getattr(other, name))} if shapes else {})


def test_hash_is_12_hex_digits_and_follows_the_values():
    digest = RunConfig(seed=5).hash()
    assert len(digest) == 12
    assert set(digest) <= set("0123456789abcdef")
    assert RunConfig(seed=5).hash() == through_json(RunConfig(seed=5)).hash() == digest


# notebooks

HARMLESS = {"_private": 1, "__name__": "__main__", "json": json, "LIMIT": 3, "function": len, "config": RunConfig()}


def test_parameters_are_read_from_the_names_of_a_notebook():
    names = {"method": "gan", "seed": 4, "clip": 0.2, "tensorboard": True, "n_critic": None, "study": "x"}
    got = RunConfig.from_parameters(HARMLESS | names, also=("study", "results"))
    assert got == RunConfig(method="gan", seed=4, clip=0.2, tensorboard=True)


@pytest.mark.parametrize("value", ["gan", 3, 0.5, True, None, [64]])
@pytest.mark.parametrize("name", ["bach_size", "batch_Size"])
def test_a_misspelled_parameter_is_caught_whatever_it_holds(name, value):
    with pytest.raises(ConfigError, match="did you mean 'batch_size'"):
        RunConfig.from_parameters(HARMLESS | {name: value})


def test_a_parameter_need_not_be_a_literal():
    got = RunConfig.from_parameters(HARMLESS | {"dataset": Path("my/folder"), "seed": np.int64(7)})
    assert (got.dataset, got.seed) == (str(Path("my/folder")), 7)


@pytest.mark.parametrize(("name", "value"), [("seed", [7]), ("seed", np.array([1, 2])), ("lr_critic", 10**400)])
def test_a_parameter_of_another_kind_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        RunConfig.from_parameters(HARMLESS | {name: value})


def test_only_the_names_in_also_are_let_pass():
    with pytest.raises(ConfigError, match="study"):
        RunConfig.from_parameters({"study": "x", "seed": 1}, also=("results",))


def test_a_bad_parameter_is_refused_like_any_other():
    with pytest.raises(ConfigError, match="seed='four'"):
        RunConfig.from_parameters(HARMLESS | {"seed": "four"})


# what was kept


def test_every_kept_run_can_be_read_and_has_the_hash_that_it_says():
    kept = sorted((Path(__file__).parent.parent / "results").glob("**/config.json"))
    assert len(kept) >= 3
    for path in kept:
        content = json.loads(path.read_text())
        config = RunConfig.from_dict(content["config"])
        assert config.to_dict() == content["config"], path
        assert config.hash() == content["hash"], path
