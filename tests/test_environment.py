"""What an environment of ``conf`` wants, and that it is what its session gets: modalities, cases, models."""

import re
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Barrier
from types import SimpleNamespace

import pytest
import yaml
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from medanomaly.config_loader import ConfigLoader
from medanomaly.core.bundle import make_bundle
from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.core.models import kind, kinds
from medanomaly.core.recipe import RECIPES
from medanomaly.pipeline_registry import NIGHTLY, build
from medanomaly.pipelines.environment import Model, current
from medanomaly.pipelines.modalities import ALL, leading_models
from medanomaly.scoring.model_answers import OpenModel, leading
from medanomaly.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT, described_models, environment
from tests.test_bad_input import Project, good_table

CSV = {"type": "medanomaly.datasets.table.CSVDataset", "filepath": "ward.csv"}
RECORDINGS = {"type": "medanomaly.datasets.synthetic_signals.SyntheticSignalsDataset", "n_patients": 4}
LOF = "local_outlier_factor"


@pytest.fixture
def conf(tmp_path):
    """Folder of a configuration with ``base``, an empty ``local``, and what a test writes."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "base").symlink_to(ROOT / "conf" / "base")
    (tmp_path / "conf" / "local").mkdir()
    return tmp_path / "conf"


def write(conf, env="ward", **files):
    folder = conf / env
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump(content))
    return conf


def wanted(conf, env="ward", **files):
    return environment(env, write(conf, env, **files))


def nodes(of, pipeline="__default__"):
    return {node.name: node for node in build(of, pipeline).nodes}


def names(models):
    return [model.name for model in models]


def test_modalities_are_those_whose_raw_data_the_catalog_names_in_the_order_of_the_report(conf):
    found = wanted(conf, catalog_raw={"signals.raw": RECORDINGS, "tabular.raw": CSV})
    assert found.modalities == ("tabular", "signals")


@pytest.mark.parametrize("chosen", [["tables"], [], ["tabular", "sound"]])
def test_unknown_or_no_modality_is_refused_and_the_known_ones_are_named(conf, chosen):
    with pytest.raises(ConfigurationError, match="tabular, signals, imaging"):
        wanted(conf, globals={"modalities": chosen})


def test_a_misspelt_raw_key_is_refused_with_the_keys_found_and_the_keys_known(conf):
    with pytest.raises(
        ConfigurationError, match=r"\['tabular_raw'\].*tabular\.raw, signals\.raw, imaging\.raw"
    ):
        wanted(conf, catalog={"tabular_raw": CSV})


def test_an_environment_without_a_catalog_is_refused(conf):
    with pytest.raises(ConfigurationError, match="no entry at all"):
        wanted(conf, globals={"dataset": "ward"})


@pytest.mark.parametrize("env", ["base", "local"])
def test_base_and_local_run_on_the_embedded_cohort(conf, env):
    assert environment(env, conf).modalities == tuple(ALL)


def test_other_environments_run_on_it_where_they_list_modalities(conf):
    assert wanted(conf, globals={"modalities": ["signals", "tabular"]}).modalities == ("tabular", "signals")


def test_models_on_features_of_full_recordings_are_not_taken_for_models_of_cut_beats(conf):
    listed = {"models": {"signals": ["isolation_forest", "pca"]}}
    found = wanted(conf, catalog={"signals.raw": RECORDINGS}, globals=listed)
    assert found.cases == {"signals": "beats"}
    assert names(found.models["signals"]) == ["isolation_forest", "pca"]
    wired = nodes(found)
    assert wired["signals.sections"].func.__name__ == "describe_beats"
    assert "signals.find_episodes" not in wired


def test_the_report_does_not_say_that_beats_of_recordings_were_cut_out(conf, finished_run):
    import json

    listed = {"models": {"signals": ["isolation_forest", "pca"]}}
    found = wanted(conf, catalog={"signals.raw": RECORDINGS}, globals=listed)
    node = nodes(found)["signals.sections"]
    given = {name: finished_run[name].load() for name in node.inputs}
    for table in ("signals.scores", "signals.metrics"):
        given[table] = given[table][given[table]["model"].isin(["isolation_forest", "pca"])]
    (sections,) = node.run(given).values()
    assert sections
    assert "cut out" not in json.dumps(sections)


def test_a_model_that_cannot_read_the_cases_is_refused_with_what_can_be_read(conf):
    listed = {"models": {"signals": ["beat_detector", "matrix_profile"]}}
    said = "'matrix_profile' reads series, and cases are beats, .* features, waveforms, recordings"
    with pytest.raises(ConfigurationError, match=said):
        wanted(conf, catalog={"signals.raw": RECORDINGS}, globals=listed)


def test_so_is_one_that_the_environment_s_own_block_describes_in_whichever_file(conf):
    blocks = {"signals": {"matrix_profile": {"options": {"causal": True}}}}
    with pytest.raises(ConfigurationError, match="'matrix_profile' reads series"):
        wanted(
            conf,
            catalog={"signals.raw": RECORDINGS},
            parameters={"models": blocks},
            parameters_other={"models": {"tabular": {"ecdf": {"population": "all"}}}},
        )


def test_a_kind_can_be_listed_without_a_block(conf):
    found = wanted(conf, catalog={"tabular.raw": CSV}, globals={"models": {"tabular": [LOF]}})
    assert names(found.models["tabular"]) == [LOF]
    wired = nodes(found)
    assert not [name for name in wired[f"tabular.{LOF}.fit"].inputs if name.startswith("params:models")]
    assert f"tabular.{LOF}.explain" in wired


def test_what_is_no_kind_and_no_block_is_refused_and_both_are_named(conf):
    with pytest.raises(ConfigurationError, match=r"\['magic'\] of tabular.*'ecdf'.*local_outlier_factor"):
        wanted(conf, catalog={"tabular.raw": CSV}, globals={"models": {"tabular": ["magic"]}})


def test_null_leaves_a_model_out_and_a_block_of_a_known_kind_adds_one(conf):
    blocks = {"ecdf": None, "lof": {"kind": LOF, "options": {"n_neighbors": 20}}}
    found = wanted(conf, catalog={"tabular.raw": CSV}, parameters={"models": {"tabular": blocks}})
    expected = [name for name in described_models("tabular") if name != "ecdf"]
    assert names(found.models["tabular"]) == [*expected, "lof"]
    assert found.models["tabular"][-1].kind.name == LOF


def test_the_metadata_of_the_raw_entry_say_what_cases_are(conf):
    found = wanted(conf, catalog={"signals.raw": RECORDINGS | {"metadata": {"cases": "windows"}}})
    assert found.cases == {"signals": "windows"}
    assert {model.kind.reads for model in found.models["signals"]} == {"features", "series"}
    assert "signals.cut_windows" in nodes(found, "data_processing")
    assert nodes(found)["signals.sections"].func.__name__ == "describe_series"
    with pytest.raises(ConfigurationError, match="'minutes'.*beats, cut_beats, windows"):
        wanted(conf, catalog={"signals.raw": RECORDINGS | {"metadata": {"cases": "minutes"}}})


@pytest.mark.parametrize(
    ("env", "cases", "read"),
    [("ucr", "windows", {"features", "series"}), ("ecg5000", "cut_beats", {"features", "waveforms"})],
)
def test_a_dataset_declares_what_its_cases_are(env, cases, read):
    found = environment(env)
    assert found.cases == {"signals": cases}
    assert {model.kind.reads for model in found.models["signals"]} == read


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tabular_models", "models.tabular"),
        ("film_risk_models", "models.imaging_risk"),
        ("data_processing.split", "split"),
    ],
)
def test_a_key_that_was_renamed_is_refused_with_where_to_write_it(conf, old, new):
    block, _, key = old.partition(".")
    content = {key: {"seed": 1}} if key else {"ecdf": {"options": {}}}
    with pytest.raises(ConfigurationError, match=f"'{old}'.*{new}"):
        wanted(conf, catalog={"tabular.raw": CSV}, parameters={block: content})


@pytest.mark.parametrize(("env", "modality"), [("chest_xray", "imaging"), ("mitbih", "signals")])
def test_only_runs_of_tables_carry_descriptions_of_tables(env, modality):
    found = environment(env)
    assert found.modalities == (modality,)
    assert "params:data_processing" not in build(found, "__default__").inputs()
    assert "params:split" in build(found, "__default__").inputs()


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (["ecdf"], r"models is \['ecdf'\].*models: \{tabular: \[ecdf\]\}"),
        ({"tabular": "ecdf"}, r"models is .*models: \{tabular: \[ecdf\]\}"),
        ({"tabular": ["isolation_forst"]}, "Did you mean 'isolation_forest'"),
    ],
)
def test_a_list_of_models_that_says_nothing_known_is_refused_with_what_would_be_right(conf, listed, said):
    with pytest.raises(ConfigurationError, match=said):
        wanted(conf, catalog={"tabular.raw": CSV}, globals={"models": listed})


def test_a_kind_that_does_not_exist_is_refused_with_the_nearest_one(conf):
    blocks = {"models": {"tabular": {"mine": {"kind": "mahalonobis"}}}}
    with pytest.raises(ConfigurationError, match="Did you mean 'mahalanobis'"):
        wanted(conf, catalog={"tabular.raw": CSV}, parameters=blocks)


@pytest.mark.parametrize(
    "name", ["my forest", "my-forest", "../../forest", "a.b", "<script>", 1, "${oc.env:HOME}"]
)
@pytest.mark.parametrize("modality", ["tabular", "tabular_risk"])
def test_a_model_whose_name_is_no_plain_name_is_refused(conf, name, modality):
    with pytest.raises(
        ConfigurationError, match=f"models.{modality}.*is no name of a model.*letters, digits"
    ):
        wanted(
            conf, catalog={"tabular.raw": CSV}, parameters={"models": {modality: {name: {"kind": "ecdf"}}}}
        )


def test_models_of_an_unknown_modality_are_refused(conf):
    with pytest.raises(ConfigurationError, match=r"\['sound'\]"):
        wanted(conf, catalog={"tabular.raw": CSV}, parameters={"models": {"sound": {"ecdf": {}}}})


@pytest.mark.parametrize("env", ["test", "ucr", "wdbc"])
def test_a_packed_configuration_gives_the_same_pipelines_as_its_folder(tmp_path, env):
    packed = tmp_path / "conf-medanomaly.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(ROOT / "conf", arcname="conf")
    of_folder, of_archive = environment(env), environment(env, packed)
    for name in (*pipelines_of(of_folder), "__default__"):
        assert str(build(of_archive, name)) == str(build(of_folder, name))
        assert build(of_archive, name).datasets() == build(of_folder, name).datasets()


def pipelines_of(of):
    stages = (
        "data_processing",
        "feature_engineering",
        "evaluation",
        "risk_models",
        "detection",
        "tuning",
        "scoring",
        "monitoring",
        *NIGHTLY,
    )
    return (*stages, *(modality.stage for modality in ALL.values()))


@pytest.mark.parametrize("word", [["run"], []])
def test_the_package_runs_with_a_packed_configuration_where_there_is_no_checkout(tmp_path, word):
    packed = tmp_path / "conf-medanomaly.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(ROOT / "conf", arcname="conf")
    options = ["--conf-source", packed, "--env", "wdbc", "--pipelines", "data_processing"]
    command = [sys.executable, "-m", "medanomaly", *word, *options]
    subprocess.run(command, cwd=tmp_path, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert (tmp_path / "data" / "02_intermediate" / "wdbc" / "tabular" / "records.parquet").is_file()


# sessions


def modalities_seen():
    """Namespaces of what the registered pipelines make for the running session."""
    return {name.split(".")[0] for name in pipelines["__default__"].all_outputs()} & set(ALL)


def opened(session):
    session.load_context()
    return modalities_seen()


def test_sessions_of_two_environments_in_turn_see_their_own_pipelines():
    bootstrap_project(ROOT)
    sessions = {env: KedroSession.create(ROOT, env=env) for env in ("wdbc", "ucr")}
    for _ in range(2):
        assert opened(sessions["wdbc"]) == {"tabular"}
        assert opened(sessions["ucr"]) == {"signals"}


def test_the_environment_belongs_to_the_context_of_its_session_and_to_nothing_else():
    bootstrap_project(ROOT)
    before = current.get()
    first, second = copy_context(), copy_context()
    assert first.run(opened, KedroSession.create(ROOT, env="wdbc")) == {"tabular"}
    assert second.run(opened, KedroSession.create(ROOT, env="ucr")) == {"signals"}
    assert first.run(modalities_seen) == {"tabular"}
    assert second.run(modalities_seen) == {"signals"}
    assert current.get() is before


def test_sessions_in_two_threads_see_their_own_pipelines():
    bootstrap_project(ROOT)
    barrier, envs = Barrier(2), ("wdbc", "ucr")

    def seen(env):
        session = KedroSession.create(ROOT, env=env)
        # Kedro resolves ${globals:...} through one resolver per process, so configurations are read one after the other
        for turn in envs:
            barrier.wait()
            if turn == env:
                session.load_context()
        barrier.wait()
        return [modalities_seen() for _ in range(3)]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(seen, envs)
    assert first == [{"tabular"}] * 3
    assert second == [{"signals"}] * 3


# a block is a model


class Ward(Project):
    """A ward's table, whose models are two blocks of one kind in YAML alone."""

    def write_conf(self):
        super().write_conf()
        path = self.conf / "mine" / "parameters.yml"
        blocks = dict.fromkeys(described_models("tabular"))
        blocks |= {
            name: {"kind": LOF, "options": {"n_neighbors": n}} for name, n in (("lof", 20), ("near", 5))
        }
        parameters = yaml.safe_load(path.read_text()) | {"models": {"tabular": blocks}}
        path.write_text(yaml.safe_dump(parameters))


def catalog_of(ward, tuning=None, **what):
    given = {"tuning": tuning} if tuning else {}
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, env="mine", conf_source=str(ward.conf), runtime_params=given) as session:
        session.run(**what)
        return session.load_context().catalog


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    ward = Ward(tmp_path_factory.mktemp("ward"))
    good_table().to_csv(ward.csv, index=False)
    ward.write_conf()
    return ward, catalog_of(ward)


def test_two_blocks_of_one_kind_are_two_models(ward):
    _, catalog = ward
    manifests = [catalog[f"tabular.{name}.bundle"].load().manifest for name in ("lof", "near")]
    assert [manifest.name for manifest in manifests] == ["lof", "near"]
    assert [manifest.kind for manifest in manifests] == [LOF, LOF]
    assert [manifest.options["n_neighbors"] for manifest in manifests] == [20, 5]


def test_a_block_of_yaml_alone_is_scored_explained_and_stands_in_the_report(ward):
    _, catalog = ward
    for table in ("tabular.scores", "tabular.explanations"):
        assert set(catalog[table].load()["model"]) == {"lof", "near"}
    metrics = catalog["metrics"].load()
    assert set(metrics.loc[metrics["role"] == "model", "model"]) == {"lof", "near"}
    assert {"tabular_lof", "tabular_near"} <= set(catalog["cards"].load())
    assert "lof" in catalog["report"].load()


def test_cards_say_what_a_model_gives_away_and_the_one_in_a_bundle_what_was_known_then(ward):
    _, catalog = ward
    for name in ("lof", "near"):
        bundle, card = catalog[f"tabular.{name}.bundle"].load(), catalog["cards"].load()[f"tabular_{name}"]
        inside = bundle.files["card.md"].decode()
        for text in (card, inside):
            assert f"It holds {bundle.manifest['rows_kept']:,} of its training rows" in text
        assert "was not measured when this card was written" in inside
        assert "was not measured" not in card
        n_train = bundle.manifest.training_data["n_cases"]
        assert re.search(
            rf"Its scores (may|hardly) tell who was in training: AUROC .* of {n_train:,} normal", card
        )


def test_a_block_of_yaml_alone_can_be_tuned(ward):
    space = {"n_neighbors": {"type": "int", "low": 5, "high": 15}}
    settings = {"target": "tabular.lof", "n_trials": 2, "n_folds": 2, "search": {"tabular.lof": space}}
    catalog = catalog_of(ward[0], settings, pipeline_names=["tuning"])
    assert len(catalog["tabular.lof.trials"].load()) == 2
    assert 5 <= catalog["tabular.lof.best_parameters"].load()["options"]["n_neighbors"] <= 15


@pytest.mark.parametrize("written", ["pandas.CSVDataset", "kedro_datasets.pandas.ExcelDataset"])
def test_a_reader_that_turns_ids_into_numbers_is_refused_with_the_one_to_take(conf, written):
    take = f"Set type: medanomaly.datasets.table.{written.rpartition('.')[2]}"
    with pytest.raises(ConfigurationError, match=f"tabular.raw: {written} reads ids as numbers.*{take}"):
        wanted(conf, catalog={"tabular.raw": CSV | {"type": written}})


# kinds


@pytest.mark.parametrize("name", sorted(kinds()))
def test_every_kind_says_what_it_is_reads_and_takes(name):
    of = kind(name)
    assert of.name == name
    assert of.label
    assert any(of.reads in cases.views for modality in ALL.values() for cases in modality.cases.values())
    assert of.params.model_validate({}).kind == name


def test_every_block_that_comes_with_the_project_validates_by_its_kind():
    models = ConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)["parameters"]["models"]
    for blocks in models.values():
        for block in blocks.values():
            assert kind(block["kind"]).params.model_validate(block).kind == block["kind"]


@pytest.mark.parametrize("name", sorted(kinds()))
def test_a_kind_refuses_a_bundle_of_another_kind(name):
    other = make_bundle({"kind": "table_recipe", "name": "recipe", "modality": "tabular"}, {})
    with pytest.raises(BundleError, match="kind 'table_recipe'"):
        kind(name).open(other)


@pytest.mark.parametrize(
    ("env", "leading"),
    [
        (
            "base",
            {
                "tabular": "two_view_ensemble",
                "signals": "beat_detector",
                "imaging": "lbe",
                "diagnosis": "phenotype_ranker",
            },
        ),
        ("ucr", {"signals": "many_scale_profile"}),
    ],
)
def test_every_modality_declares_which_model_leads_without_labels(env, leading):
    assert leading_models(environment(env)) == leading


def test_a_kind_that_takes_the_name_of_another_is_refused(monkeypatch):
    monkeypatch.setattr("medanomaly.core.models._registered", {"ecdf": lambda: None})
    with pytest.raises(ConfigurationError, match=r"two kinds of model are called \['ecdf'\]"):
        kinds()


def test_the_configuration_is_read_once_and_whoever_asks_gets_a_copy(monkeypatch):
    loader = ConfigLoader(str(ROOT / "conf"), env="wdbc", **CONFIG_LOADER_ARGS)
    first = loader["parameters"]
    first["alarm"]["alpha"] = 7
    monkeypatch.setattr(loader, "_read_dir_configs", lambda *of: pytest.fail("read again"))
    assert loader["parameters"]["alarm"]["alpha"] == 0.05
    loader["parameters"] = {"alarm": {"alpha": 0.2}}
    assert loader["parameters"] == {"alarm": {"alpha": 0.2}}


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_that_cases_are_read_by_names_a_leading_model_that_can_read_them(name):
    read_by = [cases for of in ALL.values() for cases in of.cases.values() if cases.recipe == name]
    leads = RECIPES[name].leading_kind
    assert read_by
    assert all(kind(leads).reads in cases.views for cases in read_by)

    def model(name, of):
        return Model(name, kind(of))

    others = model("a", "ecdf"), model("first", leads), model("second", leads)
    assert read_by[0].leading(others) == "first"
    assert read_by[0].leading(others[:1]) == ""
    about = [{"kind": m.kind.name, "name": m.name, "modality": "x"} for m in others]
    opened = [OpenModel(None, SimpleNamespace(bundle=make_bundle(of, {}))) for of in about]
    recipe = SimpleNamespace(bundle=make_bundle({"kind": name, "name": "recipe", "modality": "x"}, {}))
    assert leading(recipe, opened) == "first"
    assert leading(recipe, opened[:1]) == "a"
    assert leading(recipe, []) == ""


@pytest.mark.parametrize("env", ["base", "ucr"])
def test_no_model_knows_at_which_alpha_cases_are_flagged(env):
    wanted = environment(env)
    stages = ("data_processing", "feature_engineering", *(of.stage for of in ALL.values()))
    reading = {n.name for stage in stages for n in build(wanted, stage).nodes if "params:alarm" in n.inputs}
    assert reading == {f"{modality}.seal_alarm" for modality in wanted.modalities}
    assert reading <= {n.name for n in build(wanted, "evaluation").nodes}


@pytest.mark.parametrize("env", [None, "wdbc", "mitbih"])
def test_kedro_viz_draws_the_environment_that_it_was_asked_for_in_layers(env):
    from kedro_viz.integrations.kedro.data_loader import load_data

    # it leaves out the hooks of the project, which say the environment in a run
    catalog, drawn, _ = load_data(ROOT, env=env)
    asked = build(environment(env), "__default__")
    assert [node.name for node in drawn["__default__"].nodes] == [node.name for node in asked.nodes]

    def layer(name):
        return (getattr(catalog.get(name), "metadata", None) or {}).get("kedro-viz", {}).get("layer")

    after = {
        (layer(given), layer(made))
        for node in asked.nodes
        for given in node.inputs
        for made in node.outputs
        if not given.startswith("param")
    }
    # layers that follow each other both ways are not drawn at all
    assert not {pair for pair in after if pair[0] != pair[1] and pair[::-1] in after}


def test_the_readme_counts_the_nodes_of_a_run():
    said = re.findall(r"^\[\d+/(\d+)\]", (ROOT / "README.md").read_text(), flags=re.M)
    assert set(map(int, said)) == {len(build(environment(None), "__default__").nodes)}
