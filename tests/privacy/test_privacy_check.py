"""The list of rules: done only where something was looked at, not done with a remedy, and never a certificate."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from medanomaly.commands.cli import cli
from medanomaly.core.bundle import make_bundle, write_bundle
from medanomaly.privacy.check import DONE, GDPR, HIPAA, NOT_DONE, YOURS, Facts, Store, Table, items, rows_kept
from medanomaly.privacy.identifiers_in_tables import IDENTIFIERS, identifiers_in
from medanomaly.privacy.tables import deidentify_table, quasi_identifiers

KEY = b"a secret of this test"
NOTHING = {i.letter: [] for i in IDENTIFIERS}
CLEAN = Table("visits.csv", NOTHING, 7, ("sex",))
NAMED = Table("raw.csv", NOTHING | {"A": ["last_name"], "H": ["mrn"]}, 1, ("sex", "age"))
STORE = Store(n_predictions=40, plain_ids=0, raw_records=0, chain="")
GOOD = Facts(
    rows_kept={"tabular.ecdf": 0},
    tables=(CLEAN,),
    store=STORE,
    key_files={"subject.key": ""},
    service_keys=2,
    sent=(),
)
BAD = Facts(
    rows_kept={"tabular.ecdf": 0, "tabular.nearest": 1204},
    tables=(NAMED,),
    store=Store(40, 3, 12, "event 4 is missing"),
    key_files={"subject.key": "can be read by others"},
    service_keys=0,
    sent=("WANDB_MODE is online",),
)


def by_rule(facts):
    return {(item.law, item.rule, item.title): item for item in items(facts)}


def test_nothing_that_was_not_looked_at_is_done():
    found = items(Facts())
    assert {item.status for item in found} == {YOURS}
    assert {item.law for item in found} == {HIPAA, GDPR}
    assert sum("164.514(b)(2)(i)" in item.rule for item in found) == 18


@pytest.mark.parametrize("facts", [Facts(), GOOD, BAD], ids=["nothing", "good", "bad"])
def test_every_item_says_why_and_only_what_is_not_done_has_a_remedy(facts):
    for item in items(facts):
        assert item.why.endswith(".")
        assert bool(item.remedy) == (item.status == NOT_DONE), item
        assert "complian" not in " ".join([item.title, item.why, item.remedy]).lower()


def test_what_is_right_is_done_and_what_is_wrong_is_not():
    good, bad = by_rule(GOOD), by_rule(BAD)
    assert not [item for item in good.values() if item.status == NOT_DONE and item.rule != "Art. 17"]
    expected = {
        "45 CFR 164.514(b)(2)(i)(A)": "raw.csv: last_name",
        "45 CFR 164.514(b)(2)(i)(H)": "raw.csv: mrn",
        "45 CFR 164.312(a)(1), (d)": "holds none",
        "45 CFR 164.312(b)": "event 4 is missing",
        "Art. 4(5)": "3 keys of the store are no keyed hash",
        "Art. 17": "40 predictions cannot",
        "Art. 25, 44": "WANDB_MODE is online",
        "Art. 32": "subject.key can be read by others",
        "Recital 26": "raw.csv: 1 rows, by sex, age",
    }
    for (_, rule, _), item in bad.items():
        if rule in expected:
            assert item.status == NOT_DONE, rule
            assert expected[rule] in item.why
            assert (
                good[next(key for key in good if key[1] == rule)].status in (DONE, YOURS) or rule == "Art. 17"
            )
    kept, stored = (item for item in bad.values() if item.rule == "Art. 5(1)(c)")
    assert "tabular.nearest (1,204)" in kept.why
    assert "ecdf" not in kept.why
    assert "12 raw records" in stored.why
    assert {item.status for item in good.values() if item.rule == "Art. 5(1)(c)"} == {DONE}


def test_what_only_a_person_knows_is_never_done():
    for facts in (GOOD, BAD):
        for item in items(facts):
            if item.rule in (
                "Art. 35",
                "Art. 30",
                "45 CFR 164.514(b)(2)(ii)",
                "Art. 6, 9",
                "45 CFR 164.308(a)(1)",
            ):
                assert item.status == YOURS


@pytest.mark.parametrize(
    ("manifest", "kept"),
    [
        ({"kind": "ecdf"}, 0),
        ({"kind": "one_class_svm", "rows_kept": 9}, 9),
        ({"kind": "nearest_neighbours", "prototypes": {"n": 4, "patients_each": 5}}, 0),
        # of an earlier version, which did not say
        ({"kind": "nearest_neighbours", "training_data": {"n_cases": 70}}, 70),
        ({"kind": "tabular_classes", "known": {"rows_kept": 5}}, 5),
    ],
)
def test_how_many_rows_a_bundle_keeps(manifest, kept):
    assert rows_kept(manifest) == kept


# --- tables ---

RAW = {
    "A": ("last_name", ["Mustermann", "Doe"]),
    "B": ("zip", ["80331", "02114"]),
    "C": ("admitted", ["2021-05-06", "2021-07-08"]),
    "D": ("phone", ["030/1234567", "0171 12345678"]),
    "E": ("fax", ["1", "2"]),
    "F": ("contact", ["a@example.org", "b@example.org"]),
    "G": ("ssn", ["123-45-6789", "123-45-6780"]),
    "H": ("mrn", ["4711", "4712"]),
    "I": ("insurance_no", ["A1", "A2"]),
    "J": ("account", ["1", "2"]),
    "K": ("licence", ["x", "y"]),
    "L": ("plate", ["M-AB 1", "M-AB 2"]),
    "M": ("device_serial", ["s1", "s2"]),
    "N": ("seen_at", ["https://example.org/a", "https://example.org/b"]),
    "O": ("host", ["10.0.0.1", "10.0.0.2"]),
    "R": ("barcode", ["4711000001", "4711000002"]),
}


@pytest.mark.parametrize("letter", RAW)
def test_each_identifier_is_found_by_name_or_value(letter):
    name, values = RAW[letter]
    found = identifiers_in(pd.DataFrame({name: values, "creatinine": [80.5, 91.0], "sex": ["F", "M"]}))
    assert name in found[letter]
    assert not any("creatinine" in columns or "sex" in columns for columns in found.values())


def test_an_age_over_89_and_a_text_are_found_and_measurements_are_not():
    table = pd.DataFrame(
        {
            "age": ["91", "40"] * 20,
            "remark": ["Seen by Dr. Smith on 3 May 2021", "no fever"] * 20,
            "potassium": [4.1, 3.9] * 20,
            "count": list(range(40)),
            "year": ["2021", "2022"] * 20,
        }
    )
    found = {letter: columns for letter, columns in identifiers_in(table).items() if columns}
    assert found == {"A": ["remark"], "C": ["age", "remark"]}


def test_what_deidentification_leaves_holds_none():
    rng = np.random.default_rng(0)
    n = 60
    raw = pd.DataFrame(
        {
            "patient_id": [f"KH-{i}" for i in range(n)],
            "last_name": ["Mustermann"] * n,
            "date_of_birth": ["1930-05-01", "1957-03-02"] * (n // 2),
            "age": rng.integers(20, 99, n),
            "zip": ["03601", "80331"] * (n // 2),
            "sex": ["F", "M"] * (n // 2),
            "creatinine": rng.normal(80, 9, n).round(1),
            "report": ["Dr. Smith saw her on 2021-05-06, MRN 12345"] * n,
        }
    )
    assert {letter for letter, columns in identifiers_in(raw).items() if columns} >= set("ABCHR") - {"H"}
    left = deidentify_table(raw, KEY, {"report": "note"}).table
    assert not any(identifiers_in(left).values())
    assert quasi_identifiers(left) == ("date_of_birth", "age", "zip", "sex", "report")


# --- the command ---


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_MODE", "MLFLOW_TRACKING_URI", "MEDANOMALY_SUBJECT_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "conf" / "local").mkdir(parents=True)
    models = tmp_path / "models"
    for name, more in (("ecdf", {}), ("neighbours", {"rows_kept": 70})):
        manifest = {"kind": "ecdf", "name": name, "modality": "tabular"} | more
        write_bundle(models / name, make_bundle(manifest, {"card.md": b"a card"}))
    pd.DataFrame({"sex": ["F", "M"] * 10, "creatinine": np.arange(20.0)}).to_csv(
        tmp_path / "shared.csv", index=False
    )
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(cli, ["privacy", "check", *map(str, arguments)])


def status(result, rule, title=""):
    (item,) = [
        item for item in json.loads(result.output)["items"] if item["rule"] == rule and title in item["title"]
    ]
    return item["status"]


def test_the_command_lists_counts_and_ends_with_1_where_something_is_not_done(project):
    result = run("--models", project / "models", "--data", project / "shared.csv")
    assert result.exit_code == 1
    assert (
        "[not done] GDPR Art. 5(1)(c): No more data than needed: what is passed on with a model."
        in result.output
    )
    assert "tabular.neighbours (70)" in result.output
    assert "options: {prototypes: 5}" in result.output
    assert ", 2 not done, " in result.output
    assert "no legal advice and no certificate" in result.output
    fine = run("--models", project / "models" / "ecdf", "--data", project / "shared.csv")
    assert fine.exit_code == 0, fine.output
    assert ", 0 not done, " in fine.output
    for said in (
        result.output,
        fine.output,
        run("-h").output,
        CliRunner().invoke(cli, ["privacy", "-h"]).output,
    ):
        assert "complian" not in said.lower()


def test_json_holds_the_items_and_nothing_of_the_rows(project):
    raw = pd.DataFrame({"mrn": ["canary4711"], "phone": ["0171 7654321"], "note": ["Dr. Canary saw her"]})
    raw.to_csv(project / "raw.csv", index=False)
    result = run("--data", project / "raw.csv", "--json")
    assert result.exit_code == 1
    said = json.loads(result.output)
    assert sum(said["counts"].values()) == len(said["items"])
    assert status(result, "45 CFR 164.514(b)(2)(i)(D)") == NOT_DONE
    assert "canary" not in result.output.lower().replace("raw.csv: ", "")
    assert "7654321" not in result.output


def test_trackers_and_secrets_are_looked_at(project, monkeypatch):
    # nothing was there to look at
    assert (status(run("--json"), "Art. 25, 44"), status(run("--json"), "Art. 32")) == (YOURS, YOURS)
    parameters = project / "conf" / "base" / "parameters.yml"
    parameters.parent.mkdir()
    parameters.write_text(
        yaml.safe_dump({"tracking": {"wandb": {"mode": "offline", "bundles": "reference"}}})
    )
    secret = project / "conf" / "local" / "subject.key"
    secret.write_text("k" * 32)
    secret.chmod(0o600)
    fine = run("--json")
    assert (status(fine, "Art. 25, 44"), status(fine, "Art. 32"), fine.exit_code) == (DONE, DONE, 0)
    secret.chmod(0o644)
    parameters.write_text(yaml.safe_dump({"tracking": {"wandb": {"mode": "online", "bundles": "upload"}}}))
    wrong = run("--json")
    assert (status(wrong, "Art. 25, 44"), status(wrong, "Art. 32"), wrong.exit_code) == (
        NOT_DONE,
        NOT_DONE,
        1,
    )
    assert "mode is online in base/parameters.yml" in wrong.output
    assert "bundles is upload in base/parameters.yml" in wrong.output
    # the environment variable goes before the configuration
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert status(run("--json"), "Art. 25, 44") == DONE
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://example.org")
    assert status(run("--json"), "Art. 25, 44") == NOT_DONE


def test_the_store_is_looked_at_and_no_secret_is_made(project, monkeypatch):
    sa = pytest.importorskip("sqlalchemy", reason="needs the extra 'store'")
    from medanomaly.store.store import Store as Predictions

    url = f"sqlite:///{project / 'predictions.db'}"
    with Predictions.open(url, key=b"k" * 32, keep_clinical_values=True) as store:
        records = pd.DataFrame({"patient": ["a"], "potassium": [4.1]})
        store.keep_records(records, patient_id="patient")
    result = run("--store", url, "--json")
    assert status(result, "45 CFR 164.312(b)") == YOURS
    assert status(result, "Art. 5(1)(c)", "stored") == NOT_DONE
    assert not list((project / "conf" / "local").iterdir())
    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", "k" * 32)
    assert status(run("--store", url, "--json"), "45 CFR 164.312(b)") == DONE
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER IF EXISTS audit_event_no_update"))
        triggers = connection.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all()
        for name in triggers:
            connection.execute(sa.text(f"DROP TRIGGER {name}"))
        connection.execute(sa.text("UPDATE audit_event SET n_rows = 99"))
    engine.dispose()
    assert status(run("--store", url, "--json"), "45 CFR 164.312(b)") == NOT_DONE


def test_the_keys_of_the_service_are_counted(project):
    pytest.importorskip("starlette", reason="needs the extra 'service'")
    from medanomaly.service.keys import add_key

    add_key(project / "keys.json", "ward 7", ["score"])
    result = run("--keys", project / "keys.json", "--json")
    assert (status(result, "45 CFR 164.312(a)(1), (d)"), status(result, "Art. 32")) == (DONE, DONE)
    assert "one of 1 API keys" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--models", "absent"], "absent: there is no such folder"),
        (["--data", "absent.csv"], "absent.csv: there is no such file"),
        (["--store", "absent.db"], "absent.db: there is no such store"),
        (["--keys", "absent.json"], "the file of API keys cannot be read"),
    ],
)
def test_what_is_not_there_is_an_error_in_a_sentence(project, arguments, said):
    result = run(*arguments)
    assert result.exit_code != 0
    assert said in str(result.exception)
    assert not (project / "absent.db").exists()
