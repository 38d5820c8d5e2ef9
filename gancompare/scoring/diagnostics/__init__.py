"""A critic and images enter; what the critic does on them leaves, as rows of (quantity, where, value).

Start with ``panel``, which takes every measurement. ``slopes`` holds the gradients by images, ``layers`` how gradients
pass through the critic's layers, ``health`` whether it still tells real from fake and knows its training images by
heart. These are pure functions of nets and images (B, C, H, W) in [-1, 1]: none changes a net, leaves a gradient behind
or draws from a stream that it was not given. The nets must be in eval mode, so that no statistic of a BatchNorm moves.
A conditional critic scores batches of the length of ``critic.labels`` only.
"""
