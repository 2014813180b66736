"""Tables by the Safe Harbor rule of HIPAA (45 CFR 164.514(b)(2)): what each column may hold, and how small groups are.

Each column has a role. What is not known to be harmless is removed, not kept: a column of free text, or of values that
nearly every row has alone. Groups of people who share all that is left of them are counted (k-anonymity, Sweeney 2002).
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError, did_you_mean
from medanomaly.privacy.groups import coarser, group_sizes
from medanomaly.privacy.notes import clean_note

ROLES = {
    "keep": "kept as it is",
    "remove": "removed",
    "id": "replaced by a pseudonym",
    "date": "reduced to the year",
    "age": "90 and over become 90+",
    "zip": "reduced to the first three digits",
    "note": "identifiers in the text replaced",
}
# first three digits of US ZIP codes whose area had 20,000 people or fewer (census of 2000; guidance of HHS)
SMALL_ZIP3 = frozenset(
    [
        "036",
        "059",
        "063",
        "102",
        "203",
        "556",
        "692",
        "790",
        "821",
        "823",
        "830",
        "831",
        "878",
        "879",
        "884",
        "890",
        "893",
    ]
)
OLDEST = 89
# a category that fewer rows have could name somebody
FEWEST_PER_LEVEL, MOST_LEVELS = 5, 50
_BY_NAME = (
    ("zip", r"(?:^|_)(?:zip|plz|postal|postcode)"),
    ("age", r"^(?:age|alter|age_years)$"),
    ("date", r"(?:^|_)(?:date|dob|time|datum|at|on|birth\w*|geburt\w*)(?:$|_)|date$|datum$|timestamp"),
    (
        "remove",
        r"name|address|street|city|strasse|straße|ort$|phone|telefon|fax|e-?mail|ssn|url|(?:^|_)ip(?:$|_)|licen[cs]e|plate|"
        r"photo|insurance|account",
    ),
    ("id", r"(?:^|_)(?:id|mrn|nr|no|number|uid|key|case|record|patient|subject|visit|encounter)$|_id$|id$"),
)


@dataclass(frozen=True)
class TableOutcome:
    """A table without what identifies people.

    Attributes:
        table: what may be passed on.
        roles: column -> role.
        quasi: columns that an outsider may know of a person.
        smallest_group: fewest rows that share those (k of k-anonymity); 0 for an empty table.
        in_small_groups: rows in groups of fewer than 5, where ``least_group`` was not given.
        suppressed: rows that were left out because their group is smaller than ``least_group``.
        made_coarser: column -> what its values became.
    """

    table: pd.DataFrame
    roles: dict[str, str]
    quasi: tuple[str, ...]
    smallest_group: int
    in_small_groups: int
    suppressed: int
    made_coarser: dict[str, str]


def column_roles(table: pd.DataFrame, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """A role per column: what was given, else what name and values say.

    Args:
        table: cells as text or numbers.
        given: column -> role of :data:`ROLES`.

    Raises:
        ConfigurationError: a given column or role is unknown.

    Example:
        >>> column_roles(pd.DataFrame({"patient_id": ["p1"], "potassium": [4.2]}))
        {'patient_id': 'id', 'potassium': 'keep'}
    """
    given = dict(given or {})
    for name, role in given.items():
        if name not in table.columns:
            raise ConfigurationError(f"there is no column '{name}'. {did_you_mean(name, table.columns)}")
        if role not in ROLES:
            raise ConfigurationError(
                f"there is no role '{role}'. {did_you_mean(role, ROLES)}",
                remedy=f"Known: {', '.join(ROLES)}.",
            )
    return {name: given.get(name) or _guessed(str(name), table[name]) for name in table.columns}


def deidentify_table(
    table: pd.DataFrame,
    key: bytes,
    roles: Mapping[str, str] | None = None,
    *,
    quasi: Collection[str] = (),
    least_group: int = 0,
    generalise: bool = False,
    today: date | None = None,
) -> TableOutcome:
    """Apply the role of each column.

    Args:
        table: one row per record.
        key: secret of the pseudonyms.
        roles: column -> role; the rest is guessed.
        quasi: columns that outsiders may know of a person, besides ages, dates, ZIP codes and kept categories.
        least_group: rows in smaller groups are left out; 0 leaves out none.
        generalise: make values coarser first, so that fewer rows are left out.
        today: for ages that follow from a year of birth.

    Raises:
        ConfigurationError: a column or role is unknown; ``generalise`` without ``least_group``.
        InputError: an age is no number.

    Example:
        >>> visits = pd.DataFrame({"patient_id": ["p1", "p2"], "name": ["Anna", "Bo"], "potassium": [4.2, 5.1]})
        >>> shared = deidentify_table(visits, key=b"sixteen bytes or more").table
        >>> "Anna" in shared.to_csv(), shared["potassium"].tolist()
        (False, [4.2, 5.1])
    """
    chosen = column_roles(table, roles)
    if generalise and not least_group:
        raise ConfigurationError(
            "values are made coarser for groups of no size", remedy="Give the least group too."
        )
    for name in quasi:
        if chosen.get(name) in (None, "remove", "id", "note"):
            raise ConfigurationError(
                f"'{name}' is no column that outsiders may know",
                remedy="Name one that is kept, an age, a date or a ZIP.",
            )
    last_year = (today or date.today()).year - OLDEST - 1
    out, known = {}, list(quasi)
    for name, role in chosen.items():
        column = table[name]
        if role == "remove":
            continue
        if role == "id":
            out[name] = column.map(lambda value: _pseudonym(key, value), na_action="ignore")
        elif role == "date":
            out[name] = _years(
                column, last_year if re.search("birth|dob|geb", str(name), re.IGNORECASE) else None
            )
        elif role == "age":
            out[name] = _ages(column, str(name))
        elif role == "zip":
            out[name] = column.map(_zip3, na_action="ignore")
        elif role == "note":
            out[name] = column.map(lambda text: clean_note(str(text))[0], na_action="ignore")
        else:
            out[name] = column
        if role in ("date", "age", "zip") or (role == "keep" and not _is_number(column)):
            known.append(name)
    result = pd.DataFrame(out, index=table.index)
    known = list(dict.fromkeys(known))
    steps: dict[str, str] = {}
    if generalise:
        made = coarser(result, {name: chosen[name] for name in known}, least_group)
        result, steps = made.table, made.steps
    sizes = group_sizes(result, known)
    small = sizes < (least_group or FEWEST_PER_LEVEL)
    suppressed = int(small.sum()) if least_group else 0
    if suppressed:
        result, sizes = result[~small], sizes[~small]
    return TableOutcome(
        result,
        chosen,
        tuple(known),
        int(sizes.min()) if len(sizes) else 0,
        0 if least_group else int(small.sum()),
        suppressed,
        steps,
    )


def quasi_identifiers(table: pd.DataFrame) -> tuple[str, ...]:
    """Columns that outsiders may know of a person: ages, dates, ZIP codes, and categories, whatever their levels.

    Args:
        table: cells as text or numbers.

    Example:
        >>> quasi_identifiers(pd.DataFrame({"age": [64, 71], "sex": ["F", "M"], "potassium": [4.2, 5.1]}))
        ('age', 'sex')
    """
    roles = column_roles(table)
    return tuple(
        name
        for name, role in roles.items()
        if role in ("date", "age", "zip")
        or (
            role in ("keep", "remove")
            and not _is_number(table[name])
            and table[name].nunique() <= MOST_LEVELS
        )
    )


def _guessed(name: str, values: pd.Series) -> str:
    found = next((role for role, pattern in _BY_NAME if re.search(pattern, name, re.IGNORECASE)), None)
    if found is not None:
        return found
    known = values.dropna()
    if known.empty:
        return "keep"
    numbers = pd.to_numeric(known, errors="coerce")
    if numbers.notna().all():
        # long whole numbers that hardly repeat are identifiers, whatever they are called
        whole = (numbers % 1 == 0).all() and numbers.abs().median() >= 1e5
        return "id" if whole and known.nunique() > 0.9 * len(known) else "keep"
    text = known.astype(str)
    if pd.to_datetime(text, errors="coerce", format="ISO8601").notna().mean() > 0.8:
        return "date"
    counts = text.value_counts()
    return "keep" if len(counts) <= MOST_LEVELS and counts.min() >= FEWEST_PER_LEVEL else "remove"


def _is_number(column: pd.Series) -> bool:
    known = column.dropna()
    return bool(pd.to_numeric(known, errors="coerce").notna().all())


def _pseudonym(key: bytes, value: object) -> str:
    return hmac.new(key, f"id\0{value}".encode(), hashlib.sha256).hexdigest()[:16]


def _years(column: pd.Series, last_year: int | None) -> pd.Series:
    """The year of each date; a year of birth before ``last_year`` becomes that year or earlier."""
    text = column.astype("string")
    year = text.str.extract(r"(?<!\d)((?:18|19|20)\d\d)(?!\d)")[0]
    if last_year is not None:
        old = year.notna() & (pd.to_numeric(year) < last_year)
        year = year.mask(old, f"{last_year} or earlier")
    return year


def _ages(column: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna() & column.astype("string").str.strip().ne("").fillna(False)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            "an age is no number", record=row + 1, column=name, remedy=f"Give --column {name}=remove."
        )
    text = numbers.map(lambda age: f"{age:g}", na_action="ignore").astype("string")
    return text.mask(numbers > OLDEST, "90+")


def _zip3(value: object) -> str:
    digits = re.sub(r"\D", "", str(value))[:3]
    # other countries write other codes; three digits of them may be a small place
    return "000" if len(digits) < 3 or digits in SMALL_ZIP3 else digits
