"""The results of a run that are logged: figures about many patients, nothing about a single one."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

# drawings of many cases; others may show a single case with its id or image
OF_MANY_CASES = (
    "roc",
    "precision_recall",
    "p_value_calibration",
    "reliability",
    "score_distributions",
    "confusion",
    "sensitivity_by_kind",
    "subgroups",
)


def metric_values(metrics: pd.DataFrame) -> dict[str, float]:
    """``modality/model/metric`` (with ``/ci_low`` and ``/ci_high``) to value; the whole test part, only known values.

    Args:
        metrics: the metrics table.
    """
    whole = metrics[metrics["subgroup"].fillna("").eq("") & metrics["split"].eq("test")]
    values = {}
    for row in whole.itertuples():
        name = f"{row.modality}/{row.model}/{row.metric}".replace(" ", "_")
        for key, value in (
            (name, row.value),
            (f"{name}/ci_low", row.ci_low),
            (f"{name}/ci_high", row.ci_high),
        ):
            if pd.notna(value):
                values[key] = float(value)
    return values


def shareable_figures(figures: Mapping[str, str]) -> dict[str, str]:
    """The drawings that show no single case; names are ``<modality>_<what it shows>``."""
    return {name: svg for name, svg in figures.items() if name.partition("_")[2] in OF_MANY_CASES}


def git_commit(folder: str | Path) -> str | None:
    """Commit of the checkout, ``+changes`` where files differ from it; None outside git."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(folder, "status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: str | Path, *command: str) -> str:
    done = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
