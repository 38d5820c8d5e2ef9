"""From scores over seeds to words. The tables of a study (``runs.reading.Study``) enter; verdicts leave, as tables.

Everything here is a pure function: nothing is trained, drawn or written. Start with ``words``, the four words and the
one function that chooses them, and ``claims``, the list of statements; ``ledger`` judges them all. ``answer`` says in
sentences what ``effects`` measures: what each ingredient contributes on each clock. ``clocks`` compares every pair of
arms, ``ranking`` tabulates final scores. The rules are those of ``comparisons``, by ``ranks`` where runs failed; they
are applied to what ``evidence`` picks from the tables, by the ``measure_*`` functions of the claims.
At the bottom lies the arithmetic: ``intervals``, ``differences``, ``shares``, ``curves``, and ``calibration``, which
simulates how often an interval holds and a word is right. ``sweep``, ``architectures`` and ``modes`` read sweeps, whose
runs differ in their settings.
"""
