"""How well each kind of anomaly is told from the normal cases: ranking, share found, and share of alarms that are right."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from medanomaly.evaluation.metrics import metric_interval
from medanomaly.evaluation.resampling.bootstrap import ResampledCases, bootstrap
from medanomaly.evaluation.resampling.ranking import auroc

METRICS = ("auroc", "sensitivity", "ppv")


def class_performance(
    tested: pd.DataFrame,
    kinds: Mapping[str, Sequence[str]],
    *,
    n_resamples: int,
    seed: int,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Each kind against the normal cases, with patient-bootstrap intervals.

    Args:
        tested: one row per test case: ``patient_id``, ``label`` (0 or 1), ``kind``, ``score``, ``flagged`` (bool).
        kinds: name -> kinds that count for it.
        n_resamples: of whole patients.
        seed: of the draws.
        confidence: level.

    Returns:
        ``name, n, patients``, then for each of :data:`METRICS` value, ``_low`` and ``_high``. The PPV of a kind is
        its share of
        the alarms on it and on normal cases. Kinds that are not there are left out.
    """
    rows = []
    normal = tested["label"].eq(0).to_numpy(dtype=bool)
    for name, of in kinds.items():
        positive = (tested["label"].eq(1) & tested["kind"].isin(list(of))).to_numpy(dtype=bool)
        if not positive.any() or not normal.any():
            continue
        part = tested[normal | positive]
        sample = ResampledCases(
            part["patient_id"].to_numpy(dtype=str),
            positive[normal | positive],
            part["score"].to_numpy(dtype=np.float64)[:, None],
            part["flagged"].to_numpy(dtype=bool)[:, None],
        )
        drawn = bootstrap(sample, n_resamples, seed)
        row = {
            "name": name,
            "n": int(positive.sum()),
            "patients": tested.loc[positive, "patient_id"].nunique(),
        }
        for metric in METRICS:
            values = drawn.metric(metric)[:, 0]
            low, high = metric_interval(metric, values, sample, 0, confidence)
            row |= {metric: float(values[0]), f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def auroc_lost(
    score: Callable[[pd.DataFrame], np.ndarray],
    features: pd.DataFrame,
    positive: np.ndarray,
    *,
    most: int = 3000,
    n_repeats: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """Permutation importance (Breiman 2001): AUROC lost when a feature's values are those of other cases.

    Features that say the same hide each other.

    Args:
        score: features to (n,) scores.
        features: feature table of cases that the model was not fitted on.
        positive: (n,) bool, both kinds there.
        most: cases looked at, drawn evenly from both kinds; the AUROC does not depend on their shares.
        n_repeats: shuffles.
        seed: of the draw and the shuffles.

    Returns:
        ``name, loss, spread``, largest loss first; the spread is the standard deviation over the shuffles.
    """
    rng = np.random.default_rng(seed)
    chosen = [
        rng.choice(where, min(len(where), most // 2), replace=False)
        for where in (np.flatnonzero(positive), np.flatnonzero(~positive))
    ]
    rows = np.sort(np.concatenate(chosen))
    table, label = features.iloc[rows].reset_index(drop=True), positive[rows]
    whole = auroc(score(table), label)
    orders = [rng.permutation(len(table)) for _ in range(n_repeats)]
    found = []
    for name in table.columns.drop("case_id"):
        if table[name].isna().all():
            continue
        losses = [
            whole - auroc(score(table.assign(**{name: table[name].to_numpy()[order]})), label)
            for order in orders
        ]
        found.append({"name": name, "loss": float(np.mean(losses)), "spread": float(np.std(losses))})
    return pd.DataFrame(found).sort_values("loss", ascending=False, kind="stable", ignore_index=True)
