from pathlib import Path

from medanomaly.signals.features.catalogue import GROUPS, catalogue_markdown
from medanomaly.signals.features.heart_rate_variability import HRV_FEATURES
from medanomaly.signals.features.morphology import RHYTHM_FEATURES, SHAPE_FEATURES
from medanomaly.signals.features.ppg import PULSE_FEATURES
from medanomaly.signals.features.windows import WINDOW_FEATURES

PAGE = Path(__file__).parents[2] / "docs" / "signals" / "features.md"


def test_catalogue_lists_exactly_the_features_that_are_computed_in_their_order():
    computed = {
        "window": WINDOW_FEATURES,
        "hrv": HRV_FEATURES,
        "beat": (*RHYTHM_FEATURES, *SHAPE_FEATURES),
        "pulse": PULSE_FEATURES,
    }
    assert {group: tuple(f.name for f in features) for group, features in GROUPS.items()} == computed


def test_every_feature_has_formula_unit_and_source_and_a_name_of_its_own():
    features = [feature for group in GROUPS.values() for feature in group]
    assert all(f.formula and f.unit and f.source for f in features)
    assert len({f.name for f in features}) == len(features)


def test_the_page_of_the_documentation_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == catalogue_markdown(), (
        "write catalogue_markdown() of medanomaly.signals.features.catalogue to docs/signals/features.md"
    )
