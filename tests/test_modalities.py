import pytest

from medanomaly import modalities
from medanomaly.core.errors import ConfigurationError


@pytest.fixture(autouse=True)
def as_before():
    before = modalities.active_modalities()
    yield
    modalities.activate(before)


def test_activating_the_same_again_changes_nothing():
    modalities.activate(["tabular"])
    assert not modalities.activate(("tabular",))


def test_none_means_all():
    modalities.activate(None)
    assert modalities.active_modalities() == modalities.MODALITIES


@pytest.mark.parametrize("names", [["tables"], [], ["tabular", "sound"]])
def test_unknown_or_no_modality_is_refused_and_the_known_ones_are_named(names):
    with pytest.raises(ConfigurationError, match="tabular"):
        modalities.activate(names)
