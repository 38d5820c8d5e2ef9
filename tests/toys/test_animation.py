import base64
import io

import numpy as np
from PIL import Image

from gancompare.toys.animation import figure_html, frames, slider, small_gif


def test_the_animation_has_a_frame_per_snapshot(runs):
    pictures = frames({key: run for key, run in runs.items() if key[1] == 0})
    data = small_gif(pictures)
    animation = Image.open(io.BytesIO(data))
    assert animation.n_frames == len(pictures) == 3
    assert animation.info["loop"] == 0
    assert len(data) < 1_000_000
    shown = figure_html(pictures, "a < b", 'a "word"')
    assert base64.b64encode(data).decode() in shown
    assert "a &lt; b</figcaption>" in shown
    assert 'alt="a &quot;word&quot;"' in shown


def test_the_slider_shows_the_picture_that_it_says():
    pictures = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    box = slider(pictures)
    (control, number), shown = box.children[0].children, box.children[1]
    assert np.asarray(Image.open(io.BytesIO(shown.value)))[5, 5].argmax() == 0
    number.value = 1
    assert control.value == 1
    assert np.asarray(Image.open(io.BytesIO(shown.value)))[5, 5].argmax() == 2
