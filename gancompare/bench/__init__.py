"""What a generator step costs: the textbook loop against this package's, with the same nets on the same machine.

Configs enter; timings leave as a table with one row per config (``compare.compare``), which ``show`` prints and draws.
``costs`` measures the arms of a study, for its budget and its clock of seconds.
``quality`` times training until samples are good, ``bookkeeping`` the work of a study around its training. Start with
``textbook``, which holds both loops; ``workers`` runs them in processes of their own, and ``profiling`` says where a
step's time goes and how near it comes to what the device can do.
"""
