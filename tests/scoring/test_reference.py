"""Real images as an extractor sees them."""

import torch

from gancompare.scoring.features.extractors import Extractor
from gancompare.scoring.features.pca import fit_pca
from gancompare.scoring.reference import PROJECTED, Reference


def test_wide_features_are_projected_by_real_images_alone():
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (200, 1, 28, 28), generator=rng, dtype=torch.uint8)

    class Wide(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1).float()

    extractor = Extractor("wide", "FD-wide", 784, "wide", None, Wide())
    raw = images.flatten(1).float()
    pca = fit_pca(raw, PROJECTED)
    reference = Reference(extractor, pca, raw, pca.apply(raw))
    assert reference.project(raw + 5).shape == (200, 64)
    # coordinates of a projection that was not refitted: a shift of all pixels moves all rows by the same vector
    moved = reference.project(raw + 5) - reference.features
    assert torch.allclose(moved, moved[:1].expand_as(moved), atol=1e-2)
