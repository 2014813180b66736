"""What every supervised model of tables is asked."""

import pandas as pd

from medanomaly.core.bundle import Bundle


def guess_members(cases: pd.DataFrame, features: pd.DataFrame, *bundles: Bundle) -> pd.DataFrame:
    """Whether probabilities tell which cases each model learned from."""
    from medanomaly.core.cases import class_of
    from medanomaly.core.models import kind
    from medanomaly.evaluation.membership import label_membership

    tables = []
    for bundle in bundles:
        known = class_of(cases) if "classes" in bundle.manifest else cases["label"]
        asked = features[known.notna().to_numpy(dtype=bool)]
        said = kind(bundle.manifest.kind).open(bundle).probabilities(asked)
        tables.append(label_membership(cases, known, said))
    return pd.concat(tables, ignore_index=True)
