"""What a search for hyper-parameters found: how it went, and which parameters mattered."""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.reporting.figures.style import (
    HALF_WIDTH,
    MODEL_COLOURS,
    MUTED,
    Drawing,
    canvas,
    svg_figure,
)


@svg_figure
def tuning_history(trials: pd.DataFrame) -> Drawing:
    """Value of every finished trial in order, and the best so far.

    Args:
        trials: ``number``, ``state``, ``value``.

    Raises:
        InputError: no trial was finished.
    """
    finished = trials[trials["state"] == "complete"].sort_values("number")
    if finished.empty:
        raise InputError("no trial was finished", remedy="Give more trials or more time.")
    stopped = trials[trials["state"] == "pruned"]
    figure, axes = canvas(HALF_WIDTH, 3.2)
    axes.plot(finished["number"], finished["value"], "o", ms=4, color=MUTED, label="trial")
    best = np.maximum.accumulate(finished["value"])
    axes.step(
        [*finished["number"], trials["number"].max()],
        [*best, best.iloc[-1]],
        where="post",
        color=MODEL_COLOURS[0],
        label="best so far",
    )
    if len(stopped):
        bottom = axes.get_ylim()[0]
        axes.plot(stopped["number"], [bottom] * len(stopped), "x", ms=4, color=MUTED, label="stopped early")
    axes.set_xlabel("trial")
    axes.set_ylabel("value (higher is better)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return Drawing(
        figure, f"Best value {best.iloc[-1]:.3f} after {len(trials)} trials, {best.iloc[0]:.3f} at the first."
    )


@svg_figure
def parameter_importance(importances: pd.DataFrame) -> Drawing:
    """A bar a parameter, the most important on top.

    Args:
        importances: ``parameter``, ``importance`` (shares that add up to 1).

    Raises:
        InputError: there is none.
    """
    if importances.empty:
        raise InputError(
            "no importance is known", remedy="It takes four finished trials of different values."
        )
    ordered = importances.sort_values("importance")
    figure, axes = canvas(HALF_WIDTH, 1.0 + 0.3 * len(ordered))
    axes.barh(ordered["parameter"], ordered["importance"], color=MODEL_COLOURS[0], height=0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the variance between trials")
    axes.grid(axis="y", visible=False)
    top = ordered.iloc[-1]
    return Drawing(figure, f"{top['parameter']} matters most: {top['importance']:.0%} of the variance.")
