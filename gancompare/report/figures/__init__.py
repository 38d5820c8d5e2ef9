"""The figures: tables of runs enter, a matplotlib ``Figure`` leaves, or None if its numbers were not measured.

One module per family: ``curves`` (over training), ``critic`` (its diagnostics), ``distances`` (how good, how reliable,
at what price), ``classes``, ``samples``, ``objectives`` and ``sweep``. ``show.show`` places a figure in a notebook.
"""
