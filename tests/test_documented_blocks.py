"""Every block of shell and Python in README and docs runs, in the order of its page, in a folder like a fresh checkout.

A page is one script: its shell blocks share their variables, and its Python blocks share their names. What a block takes as
given (a table, an ECG) is made first. Where the run of a page would take long, a small environment takes the place of the
large one. These exchanges, and the lines that cannot run here with the reason, are listed below. A test holds that each is
still on its page.
"""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import ROOT

BLOCK = re.compile(r"^( *)```(bash|sh|python)\n(.*?)^ *```$", re.S | re.M)
FENCED = re.compile(r"^ *```.*?^ *```$", re.S | re.M)
# a command in an indented block, which would not be run
INDENTED = re.compile(
    r"^ {4,}(?:[A-Z_]+=\S+ )?(?:medanomaly|kedro|python|pip|curl|export|make|mkdir|cp) .*", re.M
)


@dataclass(frozen=True)
class Page:
    """How the blocks of a page are run.

    Attributes:
        given: shell that makes what the page takes as given.
        exchanged: what stands on the page -> what is run in its place.
        left_out: what begins a line or block that is not run -> why.
        trained: whether the models of ``kedro run --env test`` stand where a page takes models from.
        slow: whether only ``make test-all`` runs it.
        prints: lines that the page shows and its commands print.
        elsewhere: why the page is not run here, and which test runs the same; empty where it is run.
    """

    given: str = ""
    exchanged: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    trained: bool = False
    slow: bool = True
    prints: tuple[str, ...] = ()
    elsewhere: str = ""


def shown(name, start):
    """The indented block of a page that begins like this, such as a file of a configuration."""
    found = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", (ROOT / name).read_text("utf-8"), re.M)
    blocks = (textwrap.dedent(block).lstrip("\n") for block in found)
    return next(block for block in blocks if block.startswith(start))


def environment_of(name, environment):
    """Shell that writes the three files of an environment as a page shows them."""
    begins = {"globals": "dataset:", "catalog": "tabular.raw:", "parameters": "data_processing:"}
    files = [
        f"cat > conf/{environment}/{file}.yml <<'END'\n{shown(name, start)}END"
        for file, start in begins.items()
    ]
    return "\n".join([f"mkdir -p conf/{environment}", *files, ""])


DOCKER, NETWORK, SERVES = "needs Docker", "needs a network", "serves until it is stopped"
# one model in place of six, few resamples; the commands are the same
ONE_MODEL = (
    "echo 'models: {{{2}: [{1}]}}' >> conf/{0}/globals.yml; "
    "printf 'evaluation: {{n_resamples: 100}}\\n' >> conf/{0}/parameters.yml"
)
VISITS = "python docs/demo/visits.py > visits.csv; head -12 visits.csv | cut -d, -f1-12 > new.csv"
PLAIN_VISITS = """
python - > visits.csv <<'END'
import random
draw = random.Random(0)
print("id,patient,age,sex,potassium,outcome")
for i in range(300):
    ill = i % 12 == 0
    age, sex, potassium = draw.randint(20, 90), draw.choice('FM'), draw.gauss(4.2 + 2 * ill, 0.3)
    print(f"V-{1000 + i},P{i},{age},{sex},{potassium:.1f},{'sepsis' if ill else 'well'}")
END
head -20 visits.csv | cut -d, -f1-5 > new.csv
"""
# records of the built-in cohort as a file
RECORDS = """
python - <<'END'
from medanomaly.datasets.synthetic_cohort import SyntheticClinicalDataset
table = SyntheticClinicalDataset(n_patients=20, seed=7).load()
table.drop(columns=["anomaly", "anomaly_kind", "anomaly_columns"]).to_csv("visits.csv", index=False)
END
"""
# ECGs of the built-in cohort: a CSV, and a folder
ECGS = """
python - <<'END'
from pathlib import Path
import numpy as np
from medanomaly.datasets.synthetic_signals import SyntheticSignalsDataset
folder = Path("data/01_raw/holter")
folder.mkdir(parents=True)
for name, of in SyntheticSignalsDataset(kind="ecg", n_patients=2, duration_s=40, seed=5).load().items():
    np.savez(folder / f"{name}.npz", signal=of.signal, fs=of.fs, leads=of.leads, units=of.units)
np.savetxt("ecg.csv", of.signal, "%.4f", ",", header=",".join(of.leads), comments="")
END
"""
CASE = """
echo '{"id": "one", "symptoms": ["Seizure", "HP:0001263"], "excluded": ["Hearing impairment"], "age": 3}' > case.json
printf 'case_id,observed\\none,HP:0001250\\none,HP:0001263\\n' > cases.csv
"""
FILMS = """
mkdir films
python - <<'END'
import numpy as np, pydicom
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
for i in range(2):
    film = pydicom.Dataset()
    film.file_meta = pydicom.dataset.FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID = generate_uid()
    film.StudyInstanceUID, film.SeriesInstanceUID = generate_uid(), generate_uid()
    film.PatientID, film.PatientName, film.Modality, film.StudyDate = f"P{i}", "Doe^Jane", "CR", "20240301"
    film.Rows = film.Columns = 64
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 8, 8, 7
    film.PixelData = np.tile(np.arange(64, dtype=np.uint8), (64, 1)).tobytes()
    film.save_as(f"films/{i}.dcm", enforce_file_format=True)
END
{ echo 'patient_id,ward,report'; for i in $(seq 12); do echo "P$i,A,seen by Dr. Smith on 3 March 2024"; done; } > visits.csv
"""
TRAINED = "data/06_models/synthetic"
STORED = f"""
python - <<'END'
import medanomaly
from medanomaly.store.store import Store
with Store.open("sqlite:///predictions.db") as store:
    store.record(medanomaly.open("{TRAINED}/tabular").score("visits.csv"))
END
"""
UPLOADS = (
    FILMS.replace("visits.csv", "notes.csv")
    + """
cp films/0.dcm chest.dcm; head -2 visits.csv > visit.csv
python - <<'END'
import wfdb
from PIL import Image
from medanomaly.datasets.synthetic_signals import SyntheticSignalsDataset
of = next(iter(SyntheticSignalsDataset(kind="ecg", n_patients=1, duration_s=40, seed=5).load().values()))
wfdb.wrsamp("100", of.fs, list(of.units), list(of.leads), of.signal, fmt=["16"] * len(of.leads))
Image.new("L", (96, 96), 90).save("chest.png")
END
"""
)
# one patient of a ward: a record, an ECG and an image
WARD = """
mkdir -p ward/anna
python - <<'END'
from PIL import Image
from medanomaly.datasets.synthetic_cohort import SyntheticClinicalDataset
from medanomaly.datasets.synthetic_signals import SyntheticSignalsDataset
from medanomaly.signals.readers.edf import write_edf
table = SyntheticClinicalDataset(n_patients=1, seed=7).load().head(1)
table.drop(columns=["anomaly", "anomaly_kind", "anomaly_columns"]).to_csv("ward/anna/visit.csv", index=False)
of = next(iter(SyntheticSignalsDataset(kind="ecg", n_patients=1, duration_s=40, seed=5).load().values()))
write_edf(of, "ecg.edf")
Image.new("L", (96, 96), 90).save("chest.png")
END
cp ecg.edf chest.png ward/anna
"""
WARD_TABLE = """
python - > ward.csv <<'END'
import random
draw = random.Random(0)
print("visit,patient,age,sex,potassium,sodium,temperature")
for i in range(600):
    values = f"{draw.gauss(4.2, 0.4):.1f},{draw.gauss(140, 3):.0f},{draw.gauss(36.8, 0.4):.1f}"
    print(f"V{i},P{i // 2},{draw.randint(20, 90)},{draw.choice('FM')},{values}")
END
"""
# 400 stays in intensive care as events in two files
MEDS = """
python - <<'END'
from pathlib import Path
import numpy as np
import pandas as pd
root, rng = Path("data/01_raw/mimic_iv_meds"), np.random.default_rng(0)
for split in ("train", "held_out"):
    rows = []
    for subject in range(200) if split == "train" else range(200, 400):
        start = pd.Timestamp("2180-01-01") + pd.Timedelta(days=int(rng.integers(3000)))
        rows += [(subject, None, f"GENDER//{'FM'[rng.integers(2)]}", None)]
        rows += [(subject, start - pd.Timedelta(days=int(rng.integers(9000, 30000))), "MEDS_BIRTH", None)]
        rows += [(subject, start, "ICU_ADMISSION//MICU", None)]
        for code, mean, sd in (("LAB//RESULT//50971//mEq/L", 4.2, 0.5), ("LAB//220045//bpm", 80.0, 12.0)):
            rows += [(subject, start + pd.Timedelta(hours=h), code, rng.normal(mean, sd)) for h in (1, 6, 20)]
    table = pd.DataFrame(rows, columns=["subject_id", "time", "code", "numeric_value"])
    types = {"time": "datetime64[us]", "numeric_value": "Float32"}
    (root / "data" / split).mkdir(parents=True)
    table.astype(types).to_parquet(root / "data" / split / "0.parquet")
(root / "metadata").mkdir()
splits = {"subject_id": range(400), "split": ["train"] * 200 + ["held_out"] * 200}
pd.DataFrame(splits).to_parquet(root / "metadata/subject_splits.parquet")
END
"""
FHIR = f"""
python - <<'END'
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from medanomaly.synthetic.hospital import hospital_events
from tests.tabular.hospital_formats import fhir_resources
resources = list(fhir_resources(*hospital_events(3, 5)))
with open("bundle.json", "w") as file:
    json.dump({{"resourceType": "Bundle", "type": "collection", "entry": [{{"resource": r}} for r in resources]}}, file)
with open("export.ndjson", "w") as file:
    file.writelines(json.dumps(r) + "\\n" for r in resources)
END
"""
SERVED = (
    '--port {0} & trap "kill $!" EXIT; '
    "for i in $(seq 300); do curl -sf localhost:{0}/health/ready > ready && break; sleep 1; done"
)

PAGES = {
    "CONTRIBUTING.md": Page(
        given=f"{PLAIN_VISITS} cp visits.csv data/01_raw/",
        exchanged={"kedro run --env visits": ONE_MODEL.format("visits", "ecdf", "tabular") + "; kedro run --env visits"},
    ),
    "README.md": Page(
        given=PLAIN_VISITS + "python -c \"from PIL import Image; Image.new('L', (96, 96), 90).save('x.png')\"",
        exchanged={
            "kedro run --env visits": ONE_MODEL.format("visits", "ecdf", "tabular") + "; kedro run --env visits",
            "data/06_models/chest/imaging/lbe": f"{TRAINED}/imaging/lbe",
            "--case V-1017": "--case V-1012",
        },
        left_out={
            "make ": f"{NETWORK}: it installs",
            "python3.11 -m venv": f"{NETWORK}: it installs",
        },
        trained=True,
    ),
    "docs/api/scoring.md": Page(given=RECORDS + ECGS),
    "docs/data/classes.md": Page(
        elsewhere="needs models of a public table; tests/test_classes_run.py scores new records by models of a small one"
    ),
    "docs/data/meds_mimic_iv.md": Page(
        given=MEDS + environment_of("docs/data/meds_mimic_iv.md", "mimic_iv"),
        left_out={"pip install": NETWORK, "meds-extract-run": "needs the files of MIMIC-IV"},
    ),
    "docs/data/phenopackets.md": Page(
        given=CASE,
        exchanged={
            "data/06_models/phenopackets": TRAINED,
            "medanomaly diagnose": f"medanomaly diagnose --models {TRAINED}",
        },
        left_out={"kedro run --env phenopackets": "needs public files; tests/diagnosis/test_prevalence.py has some"},
        trained=True,
    ),
    "docs/data/synthetic_cohort.md": Page(slow=False),
    "docs/data/your_own_images.md": Page(
        elsewhere="tests/test_imaging_run.py and tests/test_imaging_risk_run.py run the same on phantoms"
    ),
    "docs/data/your_own_signals.md": Page(
        given=ECGS,
        # the recordings that stand for the user's own have no pulse wave
        exchanged={"data/06_models/holter": TRAINED, 'recording.leads.index("PLETH")': "0"},
        trained=True,
    ),
    "docs/data/your_own_table.md": Page(
        given=WARD_TABLE,
        exchanged={
            "cp ward.csv data/01_raw/ward/": "cp ward.csv data/01_raw/ward/\n"
            + environment_of("docs/data/your_own_table.md", "ward"),
        },
    ),
    "docs/deploying.md": Page(
        left_out={"docker ": DOCKER, "cat > Dockerfile.mine": DOCKER}
    ),
    "docs/detection.md": Page(
        elsewhere="needs images with boxes; tests/test_detection_run.py runs the same on phantoms"
    ),
    "docs/hospital_formats.md": Page(
        given=FHIR,
        exchanged={
            "curl -H": f"medanomaly serve --models data/06_models/omop {SERVED.format(8734)}\ncurl -sSf -o answer -H",
            "localhost:8000": "localhost:8734",
            "scoring.source=/data/export": "scoring.source=export.ndjson",
        },
        left_out={
            "MEDANOMALY_OMOP=": "needs a hospital; tests/tabular/test_hospital_identity.py reads small ones",
            "curl -H 'Accept: application/fhir+json' -F": "needs image models; tests/service/test_fhir_routes.py has some",
        },
    ),
    "docs/how_to/every_night.md": Page(
        exchanged={"init ward ward/past.csv": "init ward ward/past.csv; " + ONE_MODEL.format("ward", "ecdf", "tabular")},
        left_out={"export MEDANOMALY_WEBHOOK": f"{NETWORK}; a test of notices posts to a server of its own"},
        prints=("'K' of tabular cases is distributed differently (stability index 11.32).",),
    ),
    "docs/how_to/resume.md": Page(exchanged={"kedro run": "kedro run --env demo"}),
    "docs/how_to/set_an_alarm.md": Page(
        given="kedro run --env demo", exchanged={"kedro run": "kedro run --env demo"}
    ),
    "docs/index.md": Page(
        given=VISITS + ECGS,
        exchanged={
            "init visits visits.csv": "init visits visits.csv; " + ONE_MODEL.format("visits", "ecdf", "tabular"),
            "medanomaly diagnose": f"medanomaly diagnose --models {TRAINED}",
        },
        left_out={"make ": f"{NETWORK}: it installs", "source .venv": "tests have an environment"},
        trained=True,
        slow=False,
    ),
    "docs/object_storage.md": Page(
        elsewhere="needs object storage; tests/test_object_storage_run.py runs the same against a store of its own"
    ),
    "docs/operations.md": Page(
        exchanged={
            "medanomaly serve --models registry &": "medanomaly serve --models registry --port 8731 & trap \"kill $!\" EXIT",
        },
        left_out={
            "cd deploy/compose\n": DOCKER,
            "MODELS=../..": DOCKER,
            "cd deploy/compose/prometheus": "needs promtool; tests/test_deployment.py runs it where it is installed",
            "make airflow": f"{NETWORK}: it installs",
            "export AIRFLOW": "needs Airflow; tests/test_airflow.py runs it where it is installed",
            "deploy/airflow": "needs Airflow; tests/test_airflow.py runs it where it is installed",
            "export PATH=$PWD/deploy/airflow": "needs Airflow, and serves until it is stopped",
            "airflow ": "needs Airflow, and serves until it is stopped",
        },
    ),
    "docs/privacy.md": Page(
        given=FILMS,
        left_out={"medanomaly privacy check": "needs models of that table; tests/privacy/test_privacy_check.py trains some"},
    ),
    "docs/rare_data.md": Page(elsewhere="tests/tabular/synthesis/test_rare_data_page.py runs the page"),
    "docs/scale.md": Page(
        exchanged={
            "kedro run --env scale                              #": "kedro run --env scale --params n_events=20000 #",
            "--pipelines scoring          #": "--pipelines scoring --params n_events=20000 #",
            "n_events=10000000,workers=4": "n_events=30000,workers=1",
        },
        left_out={
            "kedro run --env mitbih": "needs the MIT-BIH database; tests of partitions run the same on generated recordings",
            "dask ": "needs certificates and several machines",
            "export DASK": "needs certificates and several machines",
            "kedro run --env scale --pipelines scoring --params scoring.cluster": "needs certificates and several machines",
        },
    ),
    "docs/scoring.md": Page(
        given=CASE + WARD,
        exchanged={
            " --models data/06_models/phenopackets": "",
            "medanomaly diagnose": f"medanomaly diagnose --models {TRAINED}",
        },
        left_out=dict.fromkeys(
            ('models = medanomaly.open("data/06_models/visits")', "answers", "models.score("),
            "tests/test_scoring_page.py trains those models, and compares what is printed",
        ),
        trained=True,
    ),
    "docs/serving.md": Page(
        given=RECORDS + STORED + CASE + UPLOADS,
        exchanged={
            f"serve --models {TRAINED}   #": f"serve --models {TRAINED} {SERVED.format(8732)} #",
            "curl -s localhost:8000": "curl -sSf -o answer localhost:8732",
            "review next new.csv --models data/06_models/visits": f"review next visits.csv --models {TRAINED}/tabular",
            "serve(\"data/06": "# serve(\"data/06",
        },
        left_out={
            "pip install": NETWORK,
            f"medanomaly serve --models {TRAINED} --host": SERVES,
            f"medanomaly serve --models {TRAINED} --store": SERVES,
            "medanomaly review confirm": "the id is of another store; a test of reviews confirms one",
            "curl -s localhost:8000/v1/reviews": "the id is of another store; a test of the service posts one",
        },
        trained=True,
    ),
    "docs/store.md": Page(
        given=RECORDS, exchanged={"data/06_models/wdbc": f"{TRAINED}/tabular"}, trained=True
    ),
    "docs/tracking.md": Page(
        elsewhere="needs an account at W&B, and MLflow's page serves until it is stopped; tests/tracking log runs"
    ),
    "docs/tuning.md": Page(
        given="sed -i 's/ecdf/nearest_neighbours/' conf/demo/globals.yml; "
        "echo 'tuning: {n_trials: 2}' >> conf/demo/parameters.yml",
        exchanged={"kedro run": "kedro run --env demo"},
    ),
    "docs/tutorials/own_ecg.md": Page(
        exchanged={"init holter holter/": "init holter holter/; " + ONE_MODEL.format("holter", "beat_detector", "signals")}
    ),
    "docs/tutorials/own_images.md": Page(
        exchanged={
            "init films films/": "init films films/; echo 'evaluation: {n_resamples: 100}' >> conf/films/parameters.yml"
        }
    ),
}  # fmt: skip


def texts():
    """Text of each page that people write."""
    found = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    written = {"glossary.md", "extending.md", "gallery.md"}
    found = [path for path in found if "_build" not in path.parts and path.name not in written]
    return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sorted(found)}


def pages():
    """Pages that have blocks to run."""
    return {name: text for name, text in texts().items() if BLOCK.search(text)}


def without(block, starts):
    """A block without the commands that begin like this, up to their last line."""
    lines, kept = iter(block.splitlines(keepends=True)), []
    for line in lines:
        if not starts or not line.startswith(starts):
            kept.append(line)
            continue
        here = re.search(r"<<'(\w+)'", line)
        while line.rstrip().endswith("\\") or (here and line.strip() != here[1]):
            line = next(lines)  # noqa: PLW2901
    return "".join(kept)


def script(name, text):
    """The blocks of a page as one shell script."""
    how, parts, python = PAGES[name], [], []
    for _, language, written in BLOCK.findall(text):
        block = without(textwrap.dedent(written), tuple(how.left_out))
        for there, instead in how.exchanged.items():
            block = block.replace(there, instead)
        if language == "python":
            python.append(block)
            if len(python) == 1:
                parts.append(python)
        else:
            parts.append([block])
    return "\n".join(
        "python - <<'PYTHON'\n" + "\n".join(part) + "\nPYTHON" if part is python else part[0]
        for part in parts
    )


@pytest.mark.parametrize("name", pages())
def test_every_page_with_blocks_is_run_and_what_is_exchanged_or_left_out_still_stands_on_it(name):
    text = "\n".join(textwrap.dedent(block) for _, _, block in BLOCK.findall(pages()[name]))
    assert name in PAGES
    for there in PAGES[name].exchanged:
        assert there in text
    for start in PAGES[name].left_out:
        assert re.search(rf"^{re.escape(start)}", text, re.M), start


def test_no_page_is_listed_that_has_no_blocks():
    assert set(PAGES) - set(pages()) == set()


def test_no_command_stands_in_an_indented_block_which_nothing_runs():
    # a test of its own runs the indented blocks of docs/scoring.md
    read = {name: text for name, text in texts().items() if name != "docs/scoring.md"}
    found = {name: INDENTED.findall(FENCED.sub("", text)) for name, text in read.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert INDENTED.findall("text\n\n    A=b kedro run --env x\n") == ["    A=b kedro run --env x"]


@pytest.fixture
def checkout(tmp_path):
    """A folder like a fresh checkout, whose package is the one that is tested."""
    for folder in ("conf", "docs/demo"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in ("src", "data/01_raw"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src/medanomaly").symlink_to(ROOT / "src/medanomaly")
    return tmp_path


def run_page(name, folder):
    """Run the script of a page in a folder; the first command that fails ends it."""
    ours = ("MEDANOMALY", "KEDRO")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "DO_NOT_TRACK": "1",
        "WANDB_MODE": "disabled",
        "OMP_NUM_THREADS": "1",
    }
    text = "\n".join(["set -eu", PAGES[name].given, script(name, pages()[name])])
    return subprocess.run(
        ["bash", "-x", "-c", text],
        cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def run_here(trained):
    """Names of pages that are run here, with or without trained models; the slow ones are marked."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] if page.slow else [])
        for name, page in PAGES.items()
        if page.trained == trained and not page.elsewhere
    ]


def assert_runs(name, folder):
    done = run_page(name, folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    for line in PAGES[name].prints:
        assert line in pages()[name]
        assert line in done.stdout + done.stderr, done.stderr[-6000:]


@pytest.mark.parametrize("name", run_here(trained=False))
def test_the_blocks_of_a_page_run(name, checkout):
    assert_runs(name, checkout)


@pytest.mark.parametrize("name", run_here(trained=True))
def test_the_blocks_of_a_page_run_with_trained_models(name, checkout, finished_run, finished_outputs):
    for part in ("04_feature", "06_models"):
        (checkout / "data" / part).mkdir()
        (checkout / "data" / part / "synthetic").symlink_to(finished_outputs / part / "synthetic")
    assert_runs(name, checkout)
