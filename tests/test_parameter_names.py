"""A name of a parameter that nothing reads is refused, with the one that was probably meant."""

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from omegaconf import OmegaConf

from medanomaly.core.errors import ConfigurationError
from medanomaly.pipeline_registry import build, register_pipelines
from medanomaly.pipelines.modalities import ALL
from medanomaly.pipelines.parameter_names import check_names, check_settings, read_written, typed_blocks
from medanomaly.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT, environment


@pytest.fixture(scope="module")
def check():
    """What a session does with ``--params`` before anything runs; pipelines are those of one environment."""
    typed = {}

    def checked(*given, env="wdbc", conf=ROOT / "conf", **params):
        # as Kedro reads the option
        params |= OmegaConf.to_container(OmegaConf.from_dotlist(list(given)))
        loader = OmegaConfigLoader(str(conf), env=env, runtime_params=params, **CONFIG_LOADER_ARGS)
        written = read_written(loader)
        check_names(written, ALL)
        if not typed:
            wdbc = environment("wdbc")
            typed.update(typed_blocks({name: build(wdbc, name) for name in register_pipelines()}))
        check_settings(written, typed)

    return checked


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("alrm.alpha=.2", "alrm: there is no setting of this name. Did you mean 'alarm'"),
        ("alarm.alpa=.2", "alarm.alpa: there is no setting of this name. Did you mean 'alpha'"),
        ("alarm.budget.per_dy=3", r"alarm.budget.per_dy: .* Did you mean 'per_day'"),
        ("evaluation.n_resample=100", "Did you mean 'n_resamples'"),
        ("evaluation.all_case=true", "Did you mean 'all_cases'"),
        ("split.trian=0.4", "Did you mean 'train'"),
        ("outptus=elsewhere", "Did you mean 'outputs'"),
        ("subst=x", "Did you mean 'subset'"),
        ("models.tabluar.ecdf.options.tail=flat", "models.tabluar: .* Did you mean 'tabular'"),
        ("models.tabular.ecfd.options.tail=flat", "models.tabular.ecfd: .* Did you mean 'ecdf'"),
        ("models.tabular.ecfd=null", "Did you mean 'ecdf'"),
        ("models.tabular.ecdf.opions.tail=flat", "models.tabular.ecdf.opions: .* Did you mean 'options'"),
        ("models.tabular_risk.logistic.n_fold=3", "Did you mean 'n_folds'"),
        # an item of a list
        (
            "models.tabular_risk.logistic.members=[{modl: logistic}]",
            r"members\.0\.modl: .* Did you mean 'model'",
        ),
        # of another modality than the environment has, and of a pipeline that is run by name
        ("models.imaging.autoencoder.training.max_epoch=3", "Did you mean 'max_epochs'"),
        ("signal_processing.mark=detected", "Did you mean 'marks'"),
        ("tuning.n_trails=3", "Did you mean 'n_trials'"),
        ("scoring.sorce=x.csv", "Did you mean 'source'"),
        ("data_processing.tables.wdcb.label=target", "Did you mean 'wdbc'"),
        ("data_processing.tables.wdbc.lable=target", "Did you mean 'label'"),
        (
            "data_processing.tables.wdbc.columns.mean_radius.unt=mm",
            r"columns.mean_radius.unt: .* Did you mean 'unit'",
        ),
    ],
)
def test_a_misspelt_name_on_the_command_line_is_refused_with_the_right_one(check, given, said):
    with pytest.raises(ConfigurationError, match=said) as raised:
        check(given)
    assert str(raised.value).startswith("--params: ")


@pytest.mark.parametrize(
    "given",
    [
        "alarm.alpha=0.2",
        # not in any file, but a setting
        "evaluation.confidence=0.9",
        "outputs=elsewhere",
        "subset=x",
        "adbench_set=cardio",
        "models.tabular.ecdf.options.tail=flat",
        # a further model, and one that is left out
        "models.tabular.mine.kind=ecdf",
        "models.tabular.local_outlier_factor.options.n_neighbors=5",
        "models.tabular.isolation_forest=null",
        "data_processing.tables.wdbc.columns.mean_radius.unit=mm",
        "tuning.target=tabular.ecdf",
    ],
)
def test_a_name_that_is_read_is_taken(check, given):
    check(given)


def test_a_name_with_dots_that_python_gives_as_one_is_refused(check):
    with pytest.raises(ConfigurationError, match="alarm.alpha: .* Did you mean 'alarm'"):
        check(**{"alarm.alpha": 0.2})


def test_a_session_refuses_before_anything_runs():
    bootstrap_project(ROOT)
    with (
        KedroSession.create(ROOT, env="wdbc", runtime_params={"alarm": {"alpa": 0.2}}) as session,
        pytest.raises(ConfigurationError, match="Did you mean 'alpha'"),
    ):
        session.load_context()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"alrm": {"alpha": 0.2}}, "conf/mine: alrm: there is no setting of this name. Did you mean 'alarm'"),
        (
            {"alarm": {"alpa": 0.2}},
            "conf/mine: alarm.alpa: there is no setting of this name. Did you mean 'alpha'",
        ),
        ({"models": {"tabular": {"mine": {"kind": "ecdf", "opions": {}}}}}, "Did you mean 'options'"),
        ({"of_our_own": {"alpha": 0.2}, "alarm": {"alpha": "${of_our_own.alpha}"}}, ""),
    ],
)
def test_so_is_one_in_a_file_of_the_environment_but_not_a_block_of_its_own(check, tmp_path, written, said):
    (tmp_path / "base").symlink_to(ROOT / "conf" / "base")
    (tmp_path / "mine").mkdir()
    raw = {"type": "medanomaly.datasets.table.CSVDataset", "filepath": "ward.csv"}
    (tmp_path / "mine" / "catalog.yml").write_text(yaml.safe_dump({"tabular.raw": raw}))
    (tmp_path / "mine" / "globals.yml").write_text("dataset: mine\n")
    (tmp_path / "mine" / "parameters.yml").write_text(yaml.safe_dump(written))
    if said:
        with pytest.raises(ConfigurationError, match=said):
            check(env="mine", conf=tmp_path)
    else:
        check(env="mine", conf=tmp_path)


@pytest.mark.parametrize("env", sorted(path.name for path in (ROOT / "conf").iterdir() if path.is_dir()))
def test_every_environment_of_the_project_is_spelt_right(check, env):
    check(env=env)
