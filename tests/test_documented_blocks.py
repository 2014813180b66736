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


@dataclass(frozen=True)
class Page:
    """How the blocks of a page are run.

    Attributes:
        given: shell that makes what the page takes as given.
        exchanged: what stands on the page -> what is run in its place.
        left_out: what begins a line or block that is not run -> why.
        trained: whether the models of ``kedro run --env test`` stand where a page takes models from.
        slow: whether only ``make test-all`` runs it.
        elsewhere: why the page is not run here, and which test runs the same; empty where it is run.
    """

    given: str = ""
    exchanged: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    trained: bool = False
    slow: bool = True
    elsewhere: str = ""


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
READY = "for i in $(seq 300); do curl -sf localhost:8732/health/ready > ready && break; sleep 1; done"

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
    "docs/data/phenopackets.md": Page(
        given=CASE,
        exchanged={
            "data/06_models/phenopackets": TRAINED,
            "medanomaly diagnose": f"medanomaly diagnose --models {TRAINED}",
        },
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
    "docs/deploying.md": Page(
        left_out={"docker ": DOCKER, "cat > Dockerfile.mine": DOCKER}
    ),
    "docs/detection.md": Page(
        elsewhere="needs images with boxes; tests/test_detection_run.py runs the same on phantoms"
    ),
    "docs/how_to/every_night.md": Page(
        exchanged={"init ward ward/past.csv": "init ward ward/past.csv; " + ONE_MODEL.format("ward", "ecdf", "tabular")},
        left_out={"export MEDANOMALY_WEBHOOK": f"{NETWORK}; a test of notices posts to a server of its own"},
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
        elsewhere="tests/test_scoring_page.py runs the page and compares what is printed"
    ),
    "docs/serving.md": Page(
        given=RECORDS + STORED + CASE + UPLOADS,
        exchanged={
            f"serve --models {TRAINED}   #": f"serve --models {TRAINED} --port 8732 & trap \"kill $!\" EXIT; {READY} #",
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


def pages():
    """Pages that have blocks to run."""
    found = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    written = {"glossary.md", "extending.md", "gallery.md"}
    found = [path for path in found if "_build" not in path.parts and path.name not in written]
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sorted(found)}
    return {name: text for name, text in texts.items() if BLOCK.search(text)}


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


@pytest.mark.parametrize("name", run_here(trained=False))
def test_the_blocks_of_a_page_run(name, checkout):
    assert_runs(name, checkout)


@pytest.mark.parametrize("name", run_here(trained=True))
def test_the_blocks_of_a_page_run_with_trained_models(name, checkout, finished_run, finished_outputs):
    for part in ("04_feature", "06_models"):
        (checkout / "data" / part).mkdir()
        (checkout / "data" / part / "synthetic").symlink_to(finished_outputs / part / "synthetic")
    assert_runs(name, checkout)
