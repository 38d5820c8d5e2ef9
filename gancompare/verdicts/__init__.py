"""From scores over seeds to words. The tables of a study (``runs.reading.Study``) enter; verdicts leave, as tables.

Everything here is a pure function: nothing is trained, drawn or written. Start with ``claims``, the list of published
claims and the ledger of verdicts on them. Read on downwards: ``claims_*`` turn a study into the parts of a claim, with
the rules of ``comparisons`` (who beats whom, and when that may be said), on final scores picked by ``finals``.
``ranking`` answers in sentences and tables which method is best. At the bottom lies the arithmetic: ``intervals``,
``differences``, ``shares``, ``curves``, and ``calibration``, which simulates how often an interval is right. ``sweep``,
``architectures`` and ``modes`` read sweeps, whose runs differ in their settings.
"""
