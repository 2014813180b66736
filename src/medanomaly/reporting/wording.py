"""Numbers in words that a clinician reads without a statistics book."""

import datetime

import numpy as np
import pandas as pd

from medanomaly.evaluation.known_metrics import metric_of
from medanomaly.reporting.figures.style import model_label

DASH = "–"
_SPACE = "\u00a0"


def percent(share: float, decimals: int | None = None, sign: bool = True) -> str:
    """``0.053`` to ``5.3 %``; by default no decimal from 10 to 99 %, one elsewhere."""
    if pd.isna(share):
        return DASH
    value = 100 * float(share)
    if decimals is None:
        decimals = 0 if 10 <= value < 99 or value in (0, 100) else 1
    return f"{value:.{decimals}f}" + (f"{_SPACE}%" if sign else "")


def asked(alpha: float) -> str:
    """Alpha as it was asked for, without decimals that nobody typed: ``0.05`` to ``5 %``."""
    return f"{100 * alpha:g}{_SPACE}%"


def number(value: float) -> str:
    """Three decimals, with a true minus sign."""
    return DASH if pd.isna(value) else f"{float(value):.3f}".replace("-", "−")


def signed(value: float, decimals: int = 3) -> str:
    """A difference with its sign."""
    if pd.isna(value):
        return DASH
    text = f"{float(value):+,.{decimals}f}"
    # what rounds to zero has no sign
    return text[1:] if not text.strip("+-0.") else text.replace("-", "−")


def written(metric: str, value: float) -> str:
    """A value of a metric as tables show it."""
    return percent(value, 1) if metric_of(metric).share else number(value)


def interval(metric: str, low: float, high: float) -> str:
    """``0.893–0.931`` or ``4.6–6.1``; empty where there is none."""
    if pd.isna(low) or pd.isna(high):
        return ""
    if metric_of(metric).share:
        return f"{percent(low, 1, sign=False)}–{percent(high, 1, sign=False)}"
    return f"{number(low)}–{number(high)}"


def p_value(p: float) -> str:
    """A p-value with two significant digits."""
    if pd.isna(p):
        return DASH
    return "<" + _SPACE + "0.0001" if p < 1e-4 else f"{float(f'{p:.2g}'):.4f}".rstrip("0").rstrip(".")


def equals_p_value(p: float) -> str:
    """``= 0.0021`` or ``< 0.0001``, to be read after "p"."""
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def smallest_p_value(n_calibration: int) -> str:
    """The smallest p-value that ``n_calibration`` normal cases allow, with two significant digits."""
    return np.format_float_positional(1 / (n_calibration + 1), precision=2, fractional=False, trim="-")


def plural(noun: str) -> str:
    """``records``, ``studies``."""
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"


def short_number(value: float) -> str:
    """A score: three digits, or thousands without decimals."""
    if pd.isna(value):
        return DASH
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{float(value):.3g}"
    return text.replace("-", "−")


def label_word(label: object) -> str:
    """What a label of the case table says."""
    return "unknown" if pd.isna(label) else "anomalous" if label == 1 else "normal"


def counted(n: int, noun: str) -> str:
    """``1,204 records``, ``1 record``."""
    return f"{n:,}{_SPACE}{noun if n == 1 else plural(noun)}"


def day(created: object) -> str:
    """An ISO date or time as ``1 March 2025``; other text as it is, nothing for None."""
    if created is None:
        return ""
    try:
        date = datetime.datetime.fromisoformat(str(created))
    except ValueError:
        return str(created)
    return f"{date.day}{_SPACE}{date:%B %Y}"


def joined(names: list[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def comparison_words(row: pd.Series) -> str:
    """One paired comparison as a sentence; "not distinguishable from zero" where the interval covers 0."""
    name = metric_of(row["metric"])
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return "no interval, so nothing can be said"
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return "difference not distinguishable from zero"
    ahead = row["model_a"] if (row["difference"] > 0) == (name.better >= 0) else row["model_b"]
    if name.better == 0:
        return f"{model_label(ahead)} is higher"
    return f"{model_label(ahead)} is better"
