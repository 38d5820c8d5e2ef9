"""Which settings a profile, a recipe and a data set fill in: plain tables of ``RunConfig`` fields, and their order."""

from typing import Any

MAIN_METHODS = ("gan", "wgan", "wgan-gp")  # what a study compares by default

# A profile sets budget and width only, so it treats all methods alike.
PROFILES: dict[str, dict[str, Any]] = {
    # seconds; for tests and for trying a set-up, far too short for images
    "smoke": {"generator_steps": 4, "batch_size": 8, "base_channels": 4, "latent_dim": 16, "log_every": 1}
    | {"sample_every": 2, "measurements": 3, "checkpoint_every": 2}
    | {"extractor": "random-init", "monitor_images": 64, "evaluation_images": 64, "mode_images": 64},
    # half a minute on a CPU core at 28×28, for the many runs of a sweep; digits are only just readable
    "sweep": {"generator_steps": 300, "batch_size": 32, "base_channels": 16, "log_every": 50}
    | {"sample_every": 300, "measurements": 12, "checkpoint_every": 300}
    | {"monitor_images": 500, "evaluation_images": 1000},
    # minutes on two CPU cores at 28×28; digits are readable, nothing has converged
    "quick": {"generator_steps": 400, "base_channels": 32, "log_every": 10}
    | {"sample_every": 50, "measurements": 20, "checkpoint_every": 50}
    | {"monitor_images": 1000, "evaluation_images": 2000},
    # hours on a GPU; the budget a verdict should rest on
    "reference": {"generator_steps": 20_000, "base_channels": 64, "log_every": 50}
    | {"sample_every": 1000, "measurements": 30, "checkpoint_every": 1000},
}

# `shared` gives every method the same optimiser and nets, so that only the objective differs. Adam without momentum on
# the first moment suits all three: WGAN diverges with momentum (Arjovsky et al. 2017, §4.3), WGAN-GP prescribes
# beta1 = 0 (Gulrajani et al. 2017, Algorithm 1), and BatchNorm would void its per-sample penalty. Of the rates 2e-4 and
# 5e-4, the second gave all three clearer MNIST digits after 400 generator steps.
_SHARED = {"optimizer": "adam", "lr_generator": 5e-4, "lr_critic": 5e-4, "beta1": 0.0, "beta2": 0.9}
_SHARED |= {"critic_norm": "layer", "ema_decay": 0.999}

# `paper` trains each method as its authors did: the GAN as DCGAN (Radford et al. 2016, §4), WGAN with RMSProp and the
# authors' long critic warm-up, WGAN-GP as Algorithm 1, except for the learned scale of its layer norm (see models.py).
# More than the objective differs, and reports say so.
_DCGAN = {"optimizer": "adam", "lr_generator": 2e-4, "lr_critic": 2e-4, "beta1": 0.5, "beta2": 0.999}
_DCGAN |= {"critic_norm": "batch", "ema_decay": 0.0}
_WGAN = {"optimizer": "rmsprop", "lr_generator": 5e-5, "lr_critic": 5e-5, "critic_norm": "batch", "ema_decay": 0.0}
_WGAN |= {"warmup_generator_steps": 25, "warmup_critic_steps": 100}
_WGANGP = {"optimizer": "adam", "lr_generator": 1e-4, "lr_critic": 1e-4, "beta1": 0.0, "beta2": 0.9}
_WGANGP |= {"critic_norm": "layer", "ema_decay": 0.0}

# `tuned` starts from `shared` too; `gancompare tune` finds the rest for each arm, and a study reads it from a file.
# recipe -> method -> fields; "*" is for every method without a row of its own, such as one a reader adds
RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "shared": {"*": _SHARED},
    "tuned": {"*": _SHARED},
    "paper": {"gan": _DCGAN, "gan-minimax": _DCGAN, "wgan": _WGAN, "wgan-gp": _WGANGP, "gan-gp": _WGANGP, "*": _DCGAN},
}

# What a search tries for every arm: rates of both nets × β₁, in the ranges to which compare_gan (Lucic et al. 2018;
# Kurach et al. 2019) narrowed its own, lr 1e-4 to 1e-3 and β₁ around .5, and on to 2e-3, where our smaller nets learn
# fastest in short runs. A clipping arm tries as many: half of rates × β₁ × clip, chosen so that each value of one meets
# both of the others equally often. compare_gan's clips go from .01 to 1; paper WGAN's clip over rate is 200, which .1
# has at 5e-4. Both tables hold the settings of `shared`.
SEARCH_RATES = (2e-4, 5e-4, 1e-3, 2e-3)
SEARCH: tuple[dict[str, float], ...] = tuple(
    {"lr_generator": rate, "lr_critic": rate, "beta1": beta1} for rate in SEARCH_RATES for beta1 in (0.0, 0.5)
)
SEARCH_CLIPPED: tuple[dict[str, float], ...] = tuple(
    {"lr_generator": rate, "lr_critic": rate, "beta1": beta1, "clip": clip}
    for rate, pairs in zip(
        SEARCH_RATES,
        [((0.0, 0.1), (0.5, 0.01)), ((0.0, 0.01), (0.5, 0.1)), ((0.0, 0.1), (0.5, 0.01)), ((0.0, 0.01), (0.5, 0.1))],
        strict=True,
    )
    for beta1, clip in pairs
)

# the natural size of the data sets that have a name
DATASETS: dict[str, dict[str, int]] = {
    "mnist5k": {"image_size": 28, "channels": 1},
    "mnist": {"image_size": 28, "channels": 1},
    "fashion_mnist": {"image_size": 28, "channels": 1},
    "stacked_mnist": {"image_size": 28, "channels": 3},
    "stacked_mnist5k": {"image_size": 28, "channels": 3},
    "anime_faces": {"image_size": 64, "channels": 3},
}

# extractor -> what its Fréchet distance is called; only the one by Inception is FID
EXTRACTORS: dict[str, str] = {
    "classifier": "FD-classifier",
    "efficientnet-lite0": "FD-efficientnet-lite0",
    "inception": "FID",
    "efficientnet-early": "FD-efficientnet-early",  # these three are second opinions on a ranking
    "random-init": "FD-random-init",
    "pixel-pca": "FD-pixel-pca",
}

# channels -> the extractors beside the primary one: a ranking needs one of them to agree, and none to contradict
SECOND_OPINIONS: dict[int, tuple[str, ...]] = {
    1: ("random-init", "pixel-pca"),
    3: ("efficientnet-early", "random-init"),  # late features alone do not tell faces from garbage
}


def filled_in(*, profile: str, recipe: str, method: str, dataset: str) -> dict[str, Any]:
    """The fields that are filled in where a config leaves them out; the profile wins, then the recipe."""
    by_method = RECIPES[recipe].get(method, RECIPES[recipe]["*"])
    return DATASETS.get(dataset, {}) | by_method | PROFILES[profile]
