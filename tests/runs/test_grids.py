"""Sample grids: what is read is what torchvision saved."""

import torch
from torchvision.utils import save_image

from gancompare.runs import grids


def test_read_grid_takes_a_saved_grid_apart(tmp_path):
    images = torch.rand(64, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    save_image(images, tmp_path / "grid.png", nrow=8, padding=grids.PADDING)
    expected = images.mul(255).add(0.5).clamp(0, 255).byte()  # save_image's rounding
    assert torch.equal(grids.read_grid(tmp_path / "grid.png"), expected)


def test_saved_grids_are_in_order_of_their_steps(tmp_path):
    assert grids.saved_grids(tmp_path) == {}
    for step in (20, 0, 100):
        grids.save_grid(tmp_path, step, torch.zeros(64, 1, 4, 4, dtype=torch.uint8))
    (tmp_path / "samples" / "step-notes.png").touch()
    assert list(grids.saved_grids(tmp_path)) == [0, 20, 100]
