"""Targets of the heat map and of the geometry, and the loss (Zhou et al. 2019, "Objects as Points").

The focal loss has one positive cell per box, and a network that sees few boxes stays for long where it gives every cell the
same probability. A second term asks the cells around a centre for their heat (quality focal loss, Li et al. 2020,
equation 3).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from medanomaly.imaging.networks.box_detector.params import STRIDE

# a box heats cells within this share of its width and height (one standard deviation)
SPREAD = 1 / 6
# cells; a box of a few pixels still heats the cell of its centre
LEAST_SPREAD = 0.5
# cells that are heated by so much also learn the geometry, because the peak that is found may lie in one of them
LEARNS_GEOMETRY = 0.3
SMALLEST = 1.0  # px; of a side whose logarithm is learned


class Targets(NamedTuple):
    """What a network should answer.

    Attributes:
        heat: (n, labels, h, w), 1 in the cell of each centre.
        geometry: (n, 4, h, w) as the network gives it, of the box that heats a cell most.
        weight: (n, 1, h, w), how much the geometry of a cell counts.
        n_boxes: of the batch.
    """

    heat: Tensor
    geometry: Tensor
    weight: Tensor
    n_boxes: Tensor


def targets(boxes: Tensor, n_labels: int, height: int, width: int) -> Targets:
    """Targets of boxes.

    Args:
        boxes: (n, k, 5) label, x0, y0, x1, y1 in px of the network's image; rows of NaN are no box.
        n_labels: kinds of boxes; height, width: cells.
    """
    there = torch.isfinite(boxes[..., 1])
    label, x0, y0, x1, y1 = torch.nan_to_num(boxes).unbind(-1)
    centre_x, centre_y = (x0 + x1) / (2 * STRIDE), (y0 + y1) / (2 * STRIDE)
    side_x, side_y = ((b - a).clamp(min=SMALLEST) / STRIDE for a, b in ((x0, x1), (y0, y1)))
    columns, rows = torch.arange(width, device=boxes.device), torch.arange(height, device=boxes.device)
    cell_x, cell_y = centre_x.floor().clamp(0, width - 1), centre_y.floor().clamp(0, height - 1)

    def bell(cells: Tensor, cell: Tensor, side: Tensor) -> Tensor:
        spread = (side * SPREAD).clamp(min=LEAST_SPREAD)
        return torch.exp(-0.5 * ((cells - cell[..., None]) / spread[..., None]).square())

    each = bell(rows, cell_y, side_y)[..., :, None] * bell(columns, cell_x, side_x)[..., None, :]
    each = each * there[..., None, None]  # (n, k, h, w)
    heat = torch.stack(
        [(each * (label == number)[..., None, None]).amax(dim=1) for number in range(n_labels)], dim=1
    )
    hottest, of = each.max(dim=1)

    def chosen(values: Tensor) -> Tensor:
        return torch.gather(values, 1, of.flatten(1)).view_as(hottest)

    geometry = torch.stack(
        [
            chosen(centre_x) - columns[None, None, :],
            chosen(centre_y) - rows[None, :, None],
            chosen(side_x.log()),
            chosen(side_y.log()),
        ],
        dim=1,
    )
    weight = torch.where(hottest >= LEARNS_GEOMETRY, hottest, torch.zeros_like(hottest))[:, None]
    return Targets(heat, geometry, weight, there.sum())


def heat_loss(logits: Tensor, heat: Tensor, n_boxes: Tensor) -> Tensor:
    """Penalty-reduced focal loss: cells near a centre count little as empty ones (Law & Deng 2018, equation 1)."""
    centre = heat >= 1.0 - 1e-6
    log_on, log_off = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    on = log_on.exp()
    found = (1 - on).square() * log_on * centre
    empty = on.square() * log_off * (1 - heat).pow(4) * ~centre
    return -(found + empty).sum() / n_boxes.clamp(min=1)


def quality_loss(logits: Tensor, heat: Tensor, n_boxes: Tensor) -> Tensor:
    """Cross-entropy with the heat of each cell, times the squared distance from it."""
    entropy = functional.binary_cross_entropy_with_logits(logits, heat, reduction="none")
    return ((heat - torch.sigmoid(logits)).square() * entropy).sum() / n_boxes.clamp(min=1)


def geometry_loss(geometry: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error of offsets and logarithms of sizes, where there is a box."""
    return (weight * (geometry - wanted).abs()).sum() / weight.sum().clamp(min=1.0)
