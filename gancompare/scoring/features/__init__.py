"""uint8 images enter, float32 features leave, by a network that a fingerprint identifies.

Start with ``extractors``, which loads one of six networks by name; ``extraction`` runs it over images and caches the
features of real ones. ``network`` is what all six have in common, ``classifier`` the one that is trained here,
``pretrained`` the three with published weights, and ``pca`` principal components, onto which two of them project.
"""
