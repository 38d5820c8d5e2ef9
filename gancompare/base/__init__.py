"""What everything stands on and what knows no GAN: random ``streams`` by seed and purpose, ``files`` written whole or
not at all, the ``device`` and its arithmetic, ``graphs`` that replay a training step on a GPU, ``progress`` lines,
``notebooks`` executed by papermill, and ``errors`` meant for a person. Each module stands alone; read it where it is
called.
"""
