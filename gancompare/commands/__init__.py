"""The commands behind ``python -m gancompare``: for each, the options it takes and a short function that calls a room.

Parsed options enter; an exit code leaves. ``options`` holds what several commands share; ``training`` has run, study
and sensitivity, ``tuning`` tune, ``planning`` what these settle before their runs begin, ``reading`` report and
evaluate, ``using`` generate and export, ``machine`` bench, datasets and info.
Functions import what they need when they are called, so that each command starts as soon as it can.
"""
