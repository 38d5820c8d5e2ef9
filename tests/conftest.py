"""Fixtures for all tests: a place of their own for caches, tiny images, and a real browser, where there is one."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.models import generator_for, initialize
from gancompare.runs import record
from gancompare.runs.layout import CLOCKS, run_directory
from gancompare.runs.weights import save_generator

# a container may lack the sandbox and the GPU; the rest keeps Chromium from asking its own servers for anything
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium():
    """The system's Chromium; tests that need it are skipped where it is missing.

    One start per module, not per session: while playwright runs, `asyncio.run` in any other test would fail.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api", reason="no browser: playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium):
    """A function (path, size, scheme) → playwright page of that file, all closed at the end of the test.

    `page.asked` lists the addresses that were requested, `page.problems` the console's errors and warnings.
    """
    contexts = []

    def show(path, size=(1280, 800), scheme="light"):
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.asked, page.problems = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None)
        page.goto(path.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Decoded images of the tests stay out of the user's cache, and the user's data out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANCOMPARE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("GANCOMPARE_DATA", raising=False)
        patch.delenv("GANCOMPARE_RESULTS", raising=False)
        yield


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory):
    """A folder of 30 small colour images, a square on a dark ground, each in another place and colour."""
    folder = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(0)
    for i in range(30):
        pixels = np.full((28, 28, 3), 20, np.uint8)
        top, left = rng.integers(0, 16, size=2)
        pixels[top : top + 12, left : left + 12] = rng.integers(100, 256, size=3)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="session")
def make_run():
    """A function (directory, **options) → that directory, made, with a finished run whose weights are random."""

    @torch.no_grad()
    def make(directory, channels=1, seed=0, scale=12.0, method="gan", status="complete", weights=True):
        sizes = {"image_size": 28, "channels": channels, "latent_dim": 16, "base_channels": 4}
        config = RunConfig(dataset="mnist", method=method, seed=seed, profile="smoke", **sizes)
        directory.mkdir(parents=True, exist_ok=True)
        record.begin(directory, config, {"fingerprint": "0", "num_images": 1})
        net = initialize(generator_for(config.to_dict()), stream(seed, method))
        for tensor in net.parameters():
            if tensor.ndim > 1:
                tensor.mul_(scale)  # contrast: images that differ by more than a rounding
        if weights:
            save_generator(directory, net)
        record.write_status(directory, status, generator_steps=4)
        return directory

    return make


@pytest.fixture
def write_run():
    """A function that writes a finished run of a cell of a sweep by hand, as it lies on the disk.

    ``curve``: FD on the way, its last value is the final one. Other keywords: scores of the last checkpoint.
    """

    def write(results, name, cell, config, curve, *, variance=100.0, status="complete", fingerprint="f", **scores):
        directory = run_directory(results / name, cell, config)
        directory.mkdir(parents=True)
        written = {
            "config": config.to_dict(),
            "data": {"fingerprint": fingerprint, "num_images": 9},
            "hash": config.hash(),
        }
        (directory / "config.json").write_text(json.dumps(written))
        ended = {"status": status, "generator_steps": config.generator_steps}
        (directory / "status.json").write_text(json.dumps(ended))
        lines = [f"{step},{value}" for step, value in enumerate(curve)]
        (directory / "history.csv").write_text("\n".join(["generator_steps,fd", *lines]) + "\n")
        if status == "complete":
            primary = {"fd": curve[-1], "variance": variance, "floor": 1.0, "label": "FD-test", "n_fake": 64}
            extractors = {"random-init": primary, "pixel-pca": {"fd": 7.0}}
            last = dict.fromkeys(CLOCKS, 4) | scores | {"extractors": extractors}
            content = {"primary": "random-init", "checkpoints": {"last": last}}
            (directory / "metrics.json").write_text(json.dumps(content))

    return write


LSGAN = """
from dataclasses import dataclass
from gancompare.objectives import METHODS

@dataclass(frozen=True)
class LSGAN:
    n_critic: int = 1
    wasserstein = False
    def critic_loss(self, critic, real, fake, rng):
        return {"real": (critic(real) - 1).square().mean(), "fake": critic(fake).square().mean()}
    def generator_loss(self, critic, fake, real, rng):
        return (critic(fake) - 1).square().mean()
    def constrain(self, critic):
        pass

METHODS["lsgan"] = LSGAN
"""


@pytest.fixture
def lsgan_file(tmp_path):
    """A file that adds the least-squares objective."""
    path = tmp_path / "mine.py"
    path.write_text(LSGAN)
    return path
