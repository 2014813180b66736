"""The same patients as OMOP, FHIR, MEDS and CSV: one table, one set of p-values."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from tests.tabular.hospital_formats import (
    RECIPE,
    write_csv,
    write_fhir,
    write_meds,
    write_omop,
    write_omop_database,
)

from medanomaly.core.bundle import write_bundle
from medanomaly.core.models import FitContext, ModelInput, kind
from medanomaly.scoring.models import open_models
from medanomaly.synthetic.hospital import as_omop, hospital_events
from medanomaly.tabular.events.description import EventSpec
from medanomaly.tabular.events.event_table import event_table
from medanomaly.tabular.events.readers.any_form import EventSource, form_of, read_events
from medanomaly.tabular.features.record_features import feature_units, fit_features, record_features
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import TableSpec

SPEC = EventSpec.model_validate(RECIPE)


def hashed(table):
    """Of the values alone, bit for bit."""
    made = hashlib.sha256(",".join(table.columns).encode())
    for name in table:
        values = table[name]
        exact = values.dtype.kind in "fiM"
        made.update(values.to_numpy().tobytes() if exact else "|".join(values.astype(str)).encode())
    return made.hexdigest()


@pytest.fixture(scope="module")
def hospital():
    return hospital_events(200, seed=3)


@pytest.fixture(scope="module")
def sources(hospital, tmp_path_factory):
    import duckdb

    folder = tmp_path_factory.mktemp("hospital")
    with duckdb.connect(str(folder / "cdm.duckdb")) as database:
        for name, table in as_omop(*hospital).items():
            database.register("part", table)
            database.execute(f"CREATE TABLE {name} AS SELECT * FROM part")
            database.unregister("part")
    return {
        "omop": write_omop(folder / "omop", *hospital),
        "omop as csv": write_omop(folder / "omop_csv", *hospital, ending="csv"),
        "omop in duckdb": folder / "cdm.duckdb",
        "omop by url": write_omop_database(folder / "cdm.sqlite", *hospital),
        "fhir": write_fhir(folder / "fhir.ndjson", *hospital),
        "meds": write_meds(folder / "meds", *hospital),
        "csv": write_csv(folder / "csv", *hospital),
    }


@pytest.fixture(scope="module")
def tables(sources):
    return {name: event_table(read_events(source, SPEC), SPEC) for name, source in sources.items()}


def sealed_detector(folder):
    """A detector that was sealed on other patients of the same hospital."""
    spec = TableSpec.model_validate({"events": RECIPE})
    tables = as_omop(*hospital_events(150, seed=11))
    raw = event_table(read_events(EventSource(tables), SPEC), SPEC).table
    clean = clean_table(raw, spec)
    split = np.array(["train", "calibration"])[np.arange(len(clean.cases)) % 2]
    cases = clean.cases.assign(split=pd.array(split, dtype="string"))
    recipe = fit_features(clean.records, cases, spec, learned=clean.learned)
    write_bundle(folder / "tabular" / "recipe", recipe)
    data = ModelInput(
        cases,
        record_features(clean.records, cases, spec, recipe),
        {"units": feature_units(spec, clean.summary["columns"])},
    )
    of = kind("ecdf")
    context = FitContext("ecdf", "tabular", stamp={"recipe": recipe.bundle_hash})
    bundle, _ = of.fit(data, of.params.model_validate({}), context)
    write_bundle(folder / "tabular" / "ecdf", bundle)
    return open_models(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return sealed_detector(tmp_path_factory.mktemp("models"))


def test_seven_ways_to_write_the_same_patients_give_the_same_table(tables):
    first = tables["omop"].table
    assert len(first) > 400
    assert first["glucose_last"].notna().sum() > 400
    assert set(first["outcome"]) == {"none", "out-of-range value", "broken correlation", "unit mix-up"}
    for made in tables.values():
        pd.testing.assert_frame_equal(first, made.table, check_exact=True)
    assert len({hashed(made.table) for made in tables.values()}) == 1
    changed = first.assign(glucose_last=np.nextafter(first["glucose_last"], np.inf))
    assert hashed(changed) != hashed(first)


def test_american_and_other_units_meet_in_one_unit(tables, hospital):
    events = hospital[2]
    assert set(events.loc[events["variable"] == "glucose", "unit"]) == {"mg/dL", "mmol/L"}
    account = tables["fhir"].account
    used = account[account["outcome"] == "used"].set_index(["code", "unit"])["n"]
    assert used["LOINC/2345-7", "mg/dL"] > 50
    assert used["LOINC/2345-7", "mmol/L"] > 50
    # 100 mg/dL that were read as mmol/L would stand out
    assert tables["fhir"].table["glucose_last"].max() < 70


def test_what_was_read_adds_up_in_every_format(tables):
    for name, made in tables.items():
        for source, n in made.counts.items():
            assert n["read"] == n["used"] + n["not asked for"] + n["quarantined"], (name, source)
        assert made.account["n"].sum() == sum(n["read"] for n in made.counts.values())
        assert sum(n["quarantined"] for n in made.counts.values()) == 11


@pytest.fixture(scope="module")
def scored(models, sources):
    return {
        name: models.score(sources[name], explain=False).scores for name in ("omop", "fhir", "meds", "csv")
    }


def test_p_values_of_a_sealed_detector_are_the_same_in_every_format(scored):
    first = scored["omop"]
    assert len(first) > 400
    assert first["p_value"].nunique() > 50
    for scores in scored.values():
        pd.testing.assert_frame_equal(first, scores, check_exact=True)


def test_a_bundle_of_one_patient_is_scored_as_in_the_whole_export(models, scored, hospital):
    from tests.tabular.hospital_formats import fhir_resources

    patients, visits, events = hospital
    own = [table[table["patient_id"] == "7"] for table in (patients, visits, events)]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": one} for one in fhir_resources(*own)],
    }
    alone, every = models.score(bundle, explain=False).scores, scored["fhir"]
    same = every[every["case_id"].isin(alone["case_id"])].reset_index(drop=True)
    assert len(alone) == len(visits[visits["patient_id"] == "7"])
    pd.testing.assert_frame_equal(alone, same, check_exact=True)
    assert models.recipe(bundle).takes(bundle) == 2


def test_a_bundle_without_a_usable_case_is_refused_with_the_reason(models):
    bundle = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient", "id": "7"}}]}
    found = models.score(bundle)
    assert found.scores.empty
    assert found.read.refused.to_numpy().tolist() == [
        ["7", "the patient has no visit and no value that could be used"]
    ]


def test_each_source_says_its_format(sources, tmp_path):
    of = {name: name.partition(" ")[0] for name in sources}
    assert {name: form_of(source) for name, source in sources.items()} == of
    assert form_of(tmp_path) is None
    assert form_of({"age": 3}) is None
    assert form_of([]) is None
