"""gancompare: GAN, WGAN and WGAN-GP compared under the same data, architecture, seeds and budget."""

__version__ = "0.2.0"


def load_generator(run_directory, device="cpu", which="last"):
    """The trained generator of a run: ``net(z)`` maps (B, ``net.latent_dim``) to images (B, C, H, W) in [-1, 1].

    ``which`` weights: "last" or "best". Raises ``RunError`` for a directory without usable weights.
    """
    from gancompare.runs import weights  # here, so that the package itself stays light

    return weights.load_generator(run_directory, device, which)
