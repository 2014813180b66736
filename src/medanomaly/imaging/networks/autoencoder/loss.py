"""Reconstruction error, or its Gaussian likelihood if the variance is predicted."""

from torch import Tensor


def normalised_error(x: Tensor, reconstruction: Tensor, log_variance: Tensor | None) -> Tensor:
    """Squared error of each pixel, divided by the predicted variance if there is one (Mao et al. 2020, eq. 3).

    Args:
        x: (n, 1, H, W).
        reconstruction: (n, 1, H, W).
        log_variance: (n, 1, H, W), or None.

    Returns:
        (n, 1, H, W), 0 or more.
    """
    squared = (x - reconstruction).square()
    return squared if log_variance is None else squared * (-log_variance).exp()


def reconstruction_loss(x: Tensor, reconstruction: Tensor, log_variance: Tensor | None) -> Tensor:
    """Mean squared error, or mean of exp(-s) (x - xhat)^2 + s (Mao et al. 2020, eq. 2)."""
    error = normalised_error(x, reconstruction, log_variance).mean()
    return error if log_variance is None else error + log_variance.mean()
