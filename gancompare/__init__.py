"""gancompare: GAN, WGAN and WGAN-GP compared under the same data, architecture, seeds and budget."""

__version__ = "0.1.0"
