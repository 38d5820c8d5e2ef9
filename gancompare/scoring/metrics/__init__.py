"""Features, class probabilities or images enter; scores leave. One file holds one family of metrics.

These are pure functions on arrays or tensors: features (N, d), class probabilities (N, K), images uint8 (N, C, H, W).
They know no runs, methods or extractors, use no network and no global randomness (``rng`` is a
``numpy.random.Generator``), and compute in float64 on the tensors' own device. Input that no number describes is a
``ValueError`` that says what to change; a score is never NaN. Start with ``frechet``.

The Fréchet and kernel distances and the Inception Score are not the classes of torchmetrics, whose values they equal on
the same features (see the tests): those take no cached statistics, subtract N·mean·meanᵀ from a sum of squares, need
10k × 10k kernels in memory, and shuffle by the global random state. SSIM, MS-SSIM, PSNR and LPIPS are torchmetrics'.
"""
