"""films.py: what a player must be able to play."""

import imageio.v3
from PIL import Image

from gancompare.explore.films import mp4


def test_a_film_of_odd_sides_grows_by_a_pixel(tmp_path):
    film = mp4([Image.new("RGB", (33, 17), colour) for colour in ("red", "blue")], 500)
    (tmp_path / "odd.mp4").write_bytes(film)
    assert imageio.v3.imread(tmp_path / "odd.mp4", plugin="FFMPEG").shape == (2, 18, 34, 3)
