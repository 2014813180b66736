import pytest

from medanomaly import modalities
from medanomaly.core.errors import ConfigurationError
from medanomaly.hooks import _with_raw_data


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


def test_an_environment_runs_what_its_catalog_has_raw_data_for(tmp_path):
    ward = tmp_path / "ward" / "catalog"
    ward.mkdir(parents=True)
    (ward / "catalog_raw.yml").write_text(
        "signals.raw: {type: x}\ntabular.raw: {type: y}\nother: {type: z}\n"
    )
    assert _with_raw_data(tmp_path, "ward") == ["tabular", "signals"]
    assert _with_raw_data(tmp_path, "nowhere") is None
    assert _with_raw_data(tmp_path, None) is None
