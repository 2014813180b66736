"""Synthetic cases of rare classes, added to training cases."""

import numpy as np
import pandas as pd

from medanomaly.tabular.synthesis.generator import FEWEST_ROWS, SYNTHETIC
from medanomaly.tabular.synthesis.kinds import generator


def with_synthetic(
    features: pd.DataFrame, y: np.ndarray, name: str, up_to: float = 1.0, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Add synthetic cases of rare classes. For training cases inside a fold alone, never before cases are divided.

    Synthetic cases make probabilities of rare classes far too high (van den Goorbergh et al. 2022), and the order of cases
    hardly better (``docs/results/rare_data.md``), so no model does this by itself. The generator is not kept.

    Args:
        features: feature table of n rows with ``case_id``.
        y: (n,) classes.
        name: of the generator.
        up_to: every class gets at least this share of the cases of the most frequent class.
        seed: of the generator.

    Returns:
        ``(features, y)``: the real cases, then the synthetic ones with ``case_id`` "synthetic-1", ... Classes with fewer
        than 5 cases stay as they are.

    Raises:
        ConfigurationError: there is no such generator, or it cannot draw so many cases.
    """
    classes, counts = np.unique(np.asarray(y), return_counts=True)
    wanted = int(up_to * counts.max())
    fitted, parts, labels = None, [features], [np.asarray(y)]
    for label, n in zip(classes.tolist(), counts.tolist(), strict=True):
        if FEWEST_ROWS <= n < wanted:
            fitted = fitted or generator(name, seed).fit(features, y)
            parts.append(fitted.sample(wanted - n, label, seed).drop(columns=SYNTHETIC))
            labels.append(np.full(wanted - n, label, dtype=np.asarray(y).dtype))
    if fitted is None:
        # the name is checked where there is nothing to draw, too
        generator(name, seed)
    both = pd.concat(parts, ignore_index=True)[list(features.columns)]
    both["case_id"] = [
        *features["case_id"].astype(str),
        *(f"{SYNTHETIC}-{i + 1}" for i in range(len(both) - len(features))),
    ]
    return both, np.concatenate(labels)
