"""Distances between rows in chunks that fit into memory, and the nearest rows."""

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK = 1024  # rows of a distance or kernel matrix held at once: 80 MB at 10,000 columns


def squared_distances(x: Tensor, y: Tensor, chunk: int) -> Iterator[tuple[slice, Tensor]]:
    """(rows, squared distances of x[rows] to all of y); what rounding cannot tell from equal (1e-6 relative) is 0."""
    centre = y.mean(0)  # far from the origin, subtracting large norms would cost digits
    x, y = x - centre, y - centre
    y_norms = y.square().sum(1)
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        norms = part.square().sum(1)[:, None] + y_norms
        squared = torch.addmm(norms, part, y.T, alpha=-2)
        yield slice(start, start + chunk), squared.masked_fill_(squared <= norms.mul_(1e-12), 0)


def nearest(x: Tensor, y: Tensor, k: int, *, chunk: int = CHUNK) -> tuple[Tensor, Tensor]:
    """Distances and indices (len(x), k) of the nearest rows of y; distances are of differences, so exact for copies."""
    distances, indices = [], []
    for part in x.split(chunk // 4):
        part = part.double()
        blocks = [
            squared for other in y.split(4 * chunk) for _, squared in squared_distances(part, other.double(), chunk)
        ]
        index = torch.cat(blocks, dim=1).topk(k, largest=False).indices
        indices.append(index)
        distances.append(torch.stack([(part - y[column].double()).norm(dim=1) for column in index.T], dim=1))
    return torch.cat(distances), torch.cat(indices)
