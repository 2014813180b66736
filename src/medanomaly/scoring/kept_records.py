"""Earlier records of patients in a store: what features of a patient's history are made from."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from medanomaly.core.plain_text import plain_text
from medanomaly.core.recipe import Recipe
from medanomaly.tabular.recipe import TableRecipe

if TYPE_CHECKING:
    from medanomaly.store.store import Store


class KeptRecords:
    """The kept records of one table.

    A store holds records only where it keeps clinical values, and they are of use only where features of the table are made
    from earlier records of the patient.

    Args:
        store: that the records are in; None where there is none.
        recipe: of the table.
    """

    def __init__(self, store: "Store | None", recipe: Recipe):
        self._store, self._recipe = store, recipe
        self.used = (
            store is not None
            and store.keep_clinical_values
            and isinstance(recipe, TableRecipe)
            and recipe.spec.history is not None
        )

    def holds(self, raw: Any) -> bool:
        """Whether records of this table are kept: only those whose patient is named are."""
        return self.used and isinstance(raw, pd.DataFrame) and self._recipe.spec.patient_id in raw

    def earlier(self, raw: pd.DataFrame) -> pd.DataFrame | None:
        """Earlier records of the patients of a table, as ``TableRecipe.read`` takes them; None without any."""
        if not self.holds(raw):
            return None
        patient_id, case_id = self._recipe.spec.patient_id, self._case_id(raw)
        now = _given(raw[case_id]) if case_id is not None else ()
        known = _given(raw[patient_id])
        found = self._store.earlier_records(known, patient_id=patient_id, case_id=case_id, but_not=now)
        return found if len(found) else None

    def keep(self, raw: pd.DataFrame) -> int:
        """Keep the records of a table for later ones of the same patients; returns how many are new."""
        if not self.holds(raw):
            return 0
        spec, known, case_id = self._recipe.spec, self._recipe.learned.columns, self._case_id(raw)
        wanted = [name for name in raw if name in known or name in spec.named_columns()]
        named = [name for name in (spec.patient_id, case_id) if name is not None]
        whose = pd.concat([plain_text(raw[name]).notna() for name in named], axis=1).all(axis=1)
        return self._store.keep_records(
            raw.loc[whose.to_numpy(), wanted], patient_id=spec.patient_id, case_id=case_id
        )

    def _case_id(self, raw: pd.DataFrame) -> str | None:
        name = self._recipe.spec.case_id
        return name if name in raw else None


def _given(ids: pd.Series) -> pd.Series:
    """Ids as text, without the missing ones."""
    return plain_text(ids).dropna()
