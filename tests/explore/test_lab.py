"""04_explore in a real JupyterLab and a real browser: run all cells, move a slider, see new pictures."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

import gancompare

ROOT = Path(gancompare.__file__).parent.parent
PICTURES = ".jp-OutputArea-output img.widget-image"
SETTINGS = {  # no question to answer before the test can go on, and cells stay in the page when they are out of sight
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
# bytes of the pictures that are shown, as a number that changes when they do
DIGEST = """async (images) => { const sums = []; for (const image of images) {
  if (!image.src.startsWith("blob:") || getComputedStyle(image).display === "none") continue;
  const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
  sums.push(bytes.reduce((sum, byte) => (31 * sum + byte) % 1000003, bytes.length));
} return sums; }"""


@pytest.fixture
def lab(make_run, tmp_path):
    """The address of a JupyterLab whose folder holds 04_explore, set to three tiny runs."""
    for method in ("gan", "wgan", "wgan-gp"):
        directory = make_run(tmp_path / "results" / "tiny" / "mnist" / method / "seed0", method=method)
        (directory / "samples").mkdir()
        Image.fromarray(np.full((242, 242), 90, np.uint8)).save(directory / "samples" / "step0000004.png")
    notebook = nbformat.read(ROOT / "notebooks" / "04_explore.ipynb", as_version=4)
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    cell.source = f"study = 'tiny'\nresults = {str(tmp_path / 'results')!r}\ndataset = 'mnist'"
    (tmp_path / "lab").mkdir()
    nbformat.write(notebook, tmp_path / "lab" / "04_explore.ipynb")
    for plugin, values in SETTINGS.items():
        path = tmp_path / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "spaces"),
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", str(tmp_path / "lab")]
    command += [f"--port={port}", "--ip=127.0.0.1", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    command += ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--LabApp.extension_manager=readonly"]
    environment = os.environ | own | {"PYTHONPATH": str(ROOT)}
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api", timeout=5).read()
                break
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()  # ends its kernels too
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


def contrast_on_white(colour):
    """Of "rgb(r, g, b)", by the formula of WCAG 2."""
    levels = [int(level) / 255 for level in re.findall(r"\d+", colour)[:3]]
    light = np.array([level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels])
    return 1.05 / (light @ [0.2126, 0.7152, 0.0722] + 0.05)


@pytest.mark.slow
@pytest.mark.browser
def test_sliders_change_the_pictures_in_jupyterlab(lab, chromium):
    page = chromium.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(60_000)  # a busy machine takes its time; nothing waits longer than it must
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(f"{lab}/lab/tree/04_explore.ipynb")
    page.wait_for_selector(".jp-Notebook")
    page.get_by_text("| Idle").wait_for()  # before there is a kernel, running a cell would ask for one
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    slider = page.locator(".widget-hslider", has=page.get_by_text("direction 1", exact=True)).locator(".noUi-handle")
    slider.wait_for()
    drawn = "(s) => [...document.querySelectorAll(s)].filter((i) => i.offsetParent && i.naturalWidth > 1).length === 6"
    page.wait_for_function(drawn, arg=PICTURES)  # of latents, and of training
    before = page.eval_on_selector_all(PICTURES, DIGEST)
    assert len(before) == 6
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(t) => document.body.innerText.includes(t)", arg="direction 1 +0.10")
    after = page.eval_on_selector_all(PICTURES, DIGEST)
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True] * 3  # not those of training
    slider.scroll_into_view_if_needed()
    handle = slider.bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=8)
    page.mouse.up()
    value = float(slider.get_attribute("aria-valuetext"))
    assert value > 0.5
    page.wait_for_function("(t) => document.body.innerText.includes(t)", arg=f"direction 1 +{value:.2f}")
    dragged = page.eval_on_selector_all(PICTURES, DIGEST)
    assert [a == b for a, b in zip(after, dragged, strict=True)] == [False, True] * 3
    for method in ("GAN", "WGAN", "WGAN-GP"):
        assert page.get_by_role("img", name=f"16 images by {method}", exact=True).is_visible()
        (head,) = page.locator(".jp-OutputArea-output .widget-html b", has_text=re.compile(f"^{method}$")).all()
        assert contrast_on_white(head.evaluate("(e) => getComputedStyle(e).color")) > 4.5
    page.get_by_role("button", name="begin", exact=True).wait_for()  # of the blind test, at the notebook's end
    assert "Traceback" not in page.locator(".jp-Notebook").inner_text()
    assert problems == []
    page.context.close()
