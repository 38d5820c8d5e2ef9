"""Looking at trained generators. Finished runs enter; pictures, films, files and the answers of a blind test leave.

Nothing here trains or scores. Start with ``finished`` (which runs there are, and their generators), ``latents`` (where
in latent space a picture is taken) and ``pictures`` (latents to images). Three things are built on them: the notebook's
widgets (``explorer`` with its ``controls`` and ``views``, ``blind`` with its ``answers``), the explorers that run
inside an HTML page (``page`` with ``packed`` weights, ``atlas`` and ``animations``), and the commands ``generate``
(with its ``output`` folder) and ``export`` (with its file ``formats``).
"""
