"""Classes of AAMI EC57 for the beat codes of PhysioNet, and the record lists of the inter-patient MIT-BIH protocol.

Sources: ANSI/AAMI EC57 (classes), as the program ``bxb`` of the WFDB software applies it; de Chazal, O'Dwyer, Reilly 2004,
"Automatic classification of heartbeats using ECG morphology and heartbeat interval features", IEEE TBME 51(7), tables I and
II (codes of each class, DS1 and DS2, the four paced records left out); Moody, Mark 2001, "The impact of the MIT-BIH
Arrhythmia Database", IEEE Eng Med Biol 20(3) (48 records of 47 subjects).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

# codes that PhysioNet sets use beyond those of MIT-BIH: B, n, r and ?
EC57_CODES = {
    "N": ("N", "L", "R", "B"),
    "S": ("A", "a", "J", "S", "e", "j", "n"),
    "V": ("V", "E", "r"),
    "F": ("F",),
    "Q": ("/", "f", "Q", "?"),
}
# name of a table -> class -> codes; the two differ in escape beats of the atria and the node
AAMI_CODES = {
    "ec57": EC57_CODES,
    "de_chazal": EC57_CODES | {"N": ("N", "L", "R", "B", "e", "j", "n"), "S": ("A", "a", "J", "S")},
}
CLASS_OF_CODE = {
    table: {code: name for name, codes in classes.items() for code in codes}
    for table, classes in AAMI_CODES.items()
}
BEAT_CODES = frozenset(CLASS_OF_CODE["ec57"])

DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip
DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip
PACED = ("102", "104", "107", "217")
# two recordings of the same patient (Moody, Mark 2001), on different sides of the de Chazal split
SAME_PATIENT = {"202": "201"}

_LABELS = {"N": 0, "S": 1, "V": 1, "F": 1}


def aami_class(symbols: Sequence[str] | np.ndarray, table: str = "ec57") -> pd.Series:
    """AAMI class of each annotation code.

    Args:
        symbols: (n,) codes as PhysioNet writes them (``N``, ``L``, ``V``, ...).
        table: ``ec57``, where escape beats of the atria and the node (``e``, ``j``, ``n``) are S, as in the standard and
            its program ``bxb``; or ``de_chazal``, where they are N, as in most papers on MIT-BIH.

    Returns:
        (n,) string: N, S, V, F or Q; NA for codes that mark no beat (rhythm changes, noise, waves) and unknown codes.
    """
    known = CLASS_OF_CODE[table]
    return pd.Series([known.get(code, pd.NA) for code in symbols], dtype="string")


def is_beat(symbols: Sequence[str] | np.ndarray) -> np.ndarray:
    """(n,) bool, True where the code marks a heart beat."""
    return np.isin(np.asarray(symbols, dtype=str), list(BEAT_CODES))


def label_of_class(classes: pd.Series) -> pd.Series:
    """(n,) Int8 labels of AAMI classes: 0 for N, 1 for S, V and F, NA for Q and for beats without a class."""
    return pd.Series(classes).map(_LABELS).astype("Int8")


def mitbih_patient(record: str) -> str:
    """Patient of a MIT-BIH record: the record itself, except for 202, whose patient is that of 201."""
    return SAME_PATIENT.get(record, record)
