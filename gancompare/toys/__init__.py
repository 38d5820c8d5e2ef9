"""The objectives on points in the plane, where the truth is known: the modes, and the exact distance to the data.

An objective, the name of a toy and a seed enter; tables, samples and surfaces leave, which ``figures`` and
``animation`` draw and ``findings`` puts into sentences. Data, nets and the fixed generator follow Gulrajani et al.
2017, §3, and their published toy code. The objectives are those that train on images, and nothing here asks which one
it was given. Start with ``points``, then ``critics`` (a critic near its optimum), ``training`` (both nets) and ``deep``
(critics of twelve layers).
"""
