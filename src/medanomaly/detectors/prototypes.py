"""Means of small groups of training rows, for detectors that would otherwise keep the rows themselves.

Rows are halved along the direction in which they differ most until no part can be halved without having too few patients.
The mean of each part stands for its rows (microaggregation; Domingo-Ferrer & Mateo-Sanz 2002, there with other groups). No
row of a patient is kept. A mean still tells something of the few patients behind it: this is no differential privacy.
"""

from typing import Any

import numpy as np

from medanomaly.core.errors import ConfigurationError


def row_prototypes(X: np.ndarray, least: int, patients: np.ndarray | None = None) -> np.ndarray:
    """Means of parts of the rows, each of ``least`` patients or more.

    Args:
        X: (n, d) finite numbers.
        least: patients per prototype, 2 or more; 5 to 10 are usual.
        patients: (n,) whose row each is; None: each row is another patient's.

    Returns:
        (m, d) float64, in an order that depends on the rows alone.

    Examples:
        >>> import numpy as np
        >>> rows = np.array([[1.0], [2.0], [3.0], [10.0], [11.0], [12.0]])
        >>> row_prototypes(rows, 3)[:, 0].tolist()
        [11.0, 2.0]

    Raises:
        ConfigurationError: ``least`` is below 2, or there are fewer patients than that.
    """
    if least < 2:
        raise ConfigurationError(f"prototypes is {least}", remedy="Give 2 patients per prototype or more.")
    X = X.astype(np.float64)
    codes = np.arange(len(X)) if patients is None else np.unique(patients, return_inverse=True)[1]
    if np.unique(codes).size < least:
        raise ConfigurationError(
            f"{np.unique(codes).size} patients are too few for prototypes of {least} patients each",
            remedy="Bring more train cases, or ask for fewer patients per prototype.",
        )
    waiting, means = [np.arange(len(X))], []
    while waiting:
        part = waiting.pop()
        order = part[np.argsort(_along(X[part]), kind="stable")]
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        if all(np.unique(codes[half]).size >= least for half in halves):
            waiting += halves
        else:
            means.append(X[part].mean(axis=0))
    return np.stack(means)


def rows_or_prototypes(X: np.ndarray, least: int | None, patients: np.ndarray | None) -> np.ndarray:
    """What a detector keeps of its training rows: the rows, or with ``least`` the means of :func:`row_prototypes`.

    Returns:
        (n, d) or (m, d) float64.
    """
    return X.astype(np.float64, order="C") if least is None else row_prototypes(X, least, patients)


def about_rows(n: int, least: int | None) -> dict[str, Any]:
    """What the manifest says of ``n`` rows, or of ``n`` means of the rows of at least ``least`` patients."""
    return {"rows_kept": n} if least is None else {"prototypes": {"n": n, "patients_each": least}}


def _along(rows: np.ndarray) -> np.ndarray:
    """(n,) places of the rows along the direction in which they differ most."""
    centred = rows - rows.mean(axis=0)
    direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    # both signs are right: the largest part is positive
    return centred @ (direction * np.sign(direction[np.abs(direction).argmax()]))
