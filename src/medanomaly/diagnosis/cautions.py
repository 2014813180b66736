"""What keeps a reader from believing a ranked list, in words."""

import pandas as pd

# p-values and probabilities up to which a reader is warned
UNLIKE, UNLIKELY = 0.05, 0.1


def cautions(ranking: pd.DataFrame, p_value: float, observed: int) -> list[str]:
    """What keeps a reader from believing a list.

    Args:
        ranking: rows of the rankings of one case, the most likely disease first.
        p_value: of how little the case looks like any disease that is known; NaN where it has none.
        observed: number of its observed symptoms.
    """
    first, said = ranking.iloc[0], []
    if pd.notna(first["probability"]) and first["probability"] < UNLIKELY:
        said.append("No disease is likely by itself. The list says where to look, and not what it is.")
    if pd.notna(p_value) and p_value <= UNLIKE:
        said.append(
            "This patient looks unlike the patients whose disease is known. The right disease may not be in the "
            "knowledge, or there may be more than one."
        )
    if not observed:
        said.append("Every symptom is excluded, so the order of diseases says little.")
    if (ties := int(first["rank"])) > 1:
        said.append(f"{ties} diseases fit equally well, and their order among each other means nothing.")
    return said


def none_of_these(ranking: pd.DataFrame) -> float:
    """The probability that a case has no disease of its list; NaN where the model gives no probabilities."""
    probability = ranking["probability"]
    return float(max(0.0, 1 - probability.sum())) if probability.notna().any() else float("nan")
