"""What a search for options of an image model maximises: how well it finds planted lesions, in train only."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.folds import hashed_folds
from medanomaly.evaluation.resampling.ranking import auroc_between
from medanomaly.imaging.image_models import LBEParams, NetworkModelParams, fitted_lbe
from medanomaly.imaging.maps.lesions import paste_lesions
from medanomaly.imaging.networks.kinds import network_kinds
from medanomaly.imaging.sources.image_array import ImageArray

# other lesions than those of the model checks
LESION_KEY = 7_000_003
SMALLEST_FOLD = 8

Objective = Callable[[Mapping[str, Any], Callable[[float, int], None]], float]


def image_objective(
    images: ImageArray,
    cases: pd.DataFrame,
    params: LBEParams | NetworkModelParams,
    *,
    n_folds: int,
    seed: int,
) -> Objective:
    """AUROC of lesions planted into normal train images that were left out. No abnormal image is used.

    LBE reports after each fold. A network takes long, so it is trained only once, on all folds except the first, and
    reports after each epoch. Its value is that of the epoch with the best loss on the healthy images left out.

    Args:
        images: of the cases.
        cases: case table; only the normal cases of train are used.
        params: of the model, for options that are not searched.
        n_folds: folds by patient.
        seed: of folds, lesions, weights.

    Returns:
        A function of options and a reporter ``(value, step)`` that returns the AUROC.

    Raises:
        ConfigurationError: a fold is too small.
    """
    rows = np.flatnonzero(reference_cases(cases, "train").to_numpy())
    patients = cases["patient_id"].iloc[rows].reset_index(drop=True)
    fold = hashed_folds(patients, n_folds, seed)
    if np.bincount(fold, minlength=n_folds).min() < SMALLEST_FOLD:
        raise ConfigurationError(
            f"{len(rows)} normal train images in {n_folds} folds are too few",
            remedy="Set tuning.n_folds lower.",
        )
    normal = images[rows]
    lesions = paste_lesions(normal, seed + LESION_KEY).images

    def density(options: Mapping[str, Any], report: Callable[[float, int], None]) -> float:
        values = []
        for k in range(n_folds):
            out = fold == k
            detector = fitted_lbe(normal[~out], patients[~out].to_numpy(), params.replaced(options))
            values.append(auroc_between(detector.score(normal[out]), detector.score(lesions[out])))
            report(float(np.mean(values)), k)
        return float(np.mean(values))

    def network(options: Mapping[str, Any], report: Callable[[float, int], None]) -> float:
        out = fold == 0
        return _trained(normal[~out], normal[out], lesions[out], params.replaced(options), report, seed)

    return density if isinstance(params, LBEParams) else network


def _trained(
    train: np.ndarray,
    healthy: np.ndarray,
    lesions: np.ndarray,
    params: NetworkModelParams,
    report: Callable[[float, int], None],
    seed: int,
) -> float:
    from torch.utils.data import TensorDataset

    from medanomaly.imaging.networks.detector import as_batch, fitted_head, in_parts
    from medanomaly.training.fit import fit
    from medanomaly.training.seeding import seeded

    fitted, left_out, spoiled = as_batch(train), as_batch(healthy), as_batch(lesions)
    settings = {name: getattr(params.training, name) for name in ("learning_rate", "weight_decay")}
    with seeded(seed):
        kind = network_kinds()[params.network.network]
        module = kind.build_module(params.network, train.shape[1], **settings, seed=seed)

    def value() -> float:
        head = fitted_head(params.network, module.network, fitted.to(module.device))
        both = [
            in_parts(lambda x: head(x)[0], x.to(module.device)).cpu().numpy() for x in (left_out, spoiled)
        ]
        return auroc_between(*both)

    # Lightning calls this after each epoch's validation; a pruned trial leaves through it
    module.on_validation_epoch_end = lambda: report(value(), module.current_epoch)
    fit(module, TensorDataset(fitted), TensorDataset(left_out), params.training, seed=seed)
    return value()
