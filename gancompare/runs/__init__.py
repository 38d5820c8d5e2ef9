"""What a run leaves on disk. A config enters; a directory leaves, which is all that training hands to anything else.

Start with ``layout``: where a run lies and what its files are called. ``record`` holds config and status, ``history``
the rows that grow during training, ``checkpoint`` what a resume needs, ``weights`` the generator, ``grids`` the sample
pictures. ``reading`` reads a whole study, ``sweeps`` says what a sweep varies, ``costs`` what a generator step of each
arm costs, which gives all tables their seconds, and ``tuned`` what a search has chosen for each arm.
"""
