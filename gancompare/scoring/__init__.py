"""Images enter; scores leave. The same images, extractors and latents serve every method.

``features`` turns images into features, ``metrics`` turns features into numbers, and ``catalogue`` says what each
number is called and which direction is better. ``reference`` holds real images as an extractor sees them, ``landmarks``
what corrupted real images score against them, and ``admission`` whether an extractor puts these in order.
``feature_scores`` and ``image_scores`` put the numbers together. Start with ``evaluation``, which scores a finished
run, or ``compare``, which scores any images. ``monitor`` is what a run measures while it trains: samples, and the
critic's ``diagnostics``. ``validation`` compares with real images that no result uses, to choose settings by.
"""
