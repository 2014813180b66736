"""The source of each public data set, for errors about missing files."""

from dataclasses import dataclass
from pathlib import Path

from medanomaly.core.errors import DataNotFoundError


@dataclass(frozen=True)
class Source:
    """A public data set: its title, where to get it, which files, under which licence."""

    title: str
    url: str
    files: str
    licence: str


SOURCES = {
    "adbench": Source(
        "ADBench, classical data sets",
        "https://github.com/Minqi824/ADBench",
        "adbench/datasets/Classical/*.npz",
        "BSD-2-Clause (data: UCI and ODDS)",
    ),
    "thyroid0387": Source(
        "UCI Thyroid Disease, thyroid0387",
        "https://archive.ics.uci.edu/dataset/102/thyroid+disease",
        "thyroid0387.data",
        "CC BY 4.0",
    ),
    "appointments": Source(
        "Medical Appointment No Shows (Kaggle)",
        "https://www.kaggle.com/datasets/joniarroba/noshowappointments",
        "KaggleV2-May-2016.csv",
        "CC BY-NC-SA 4.0: not for commercial use",
    ),
    "hcv": Source(
        "UCI HCV data", "https://archive.ics.uci.edu/dataset/571/hcv+data", "hcvdat0.csv", "CC BY 4.0"
    ),
    "dermatology": Source(
        "UCI Dermatology",
        "https://archive.ics.uci.edu/dataset/33/dermatology",
        "dermatology.data with a first line of column names that ends in Age,Classification",
        "CC BY 4.0",
    ),
    "physionet2012": Source(
        "PhysioNet/CinC Challenge 2012",
        "https://physionet.org/content/challenge-2012/1.0.0/",
        "set-a, set-b, set-c (unpacked, one text file per stay) and Outcomes-a.txt, Outcomes-b.txt, Outcomes-c.txt",
        "ODC-BY 1.0",
    ),
    "eicu_demo": Source(
        "the eICU demo cohorts of YAIB (demo_data/mortality24/eicu_demo, into mortality24)",
        "https://github.com/rvandewater/YAIB",
        "dyn.parquet, sta.parquet, outc.parquet",
        "ODbL 1.0 (eICU-CRD demo)",
    ),
    "mitdb": Source(
        "MIT-BIH Arrhythmia Database",
        "https://physionet.org/content/mitdb/1.0.0/",
        "*.hea, *.dat and *.atr (medanomaly fetch mitbih)",
        "ODC-BY 1.0",
    ),
    "svdb": Source(
        "MIT-BIH Supraventricular Arrhythmia Database",
        "https://physionet.org/content/svdb/1.0.0/",
        "*.hea, *.dat and *.atr (medanomaly fetch svdb)",
        "ODC-BY 1.0",
    ),
    "bidmc_ppg": Source(
        "BIDMC PPG and Respiration Dataset",
        "https://physionet.org/content/bidmc/1.0.0/",
        "bidmc_*_Signals.csv, or *.hea with *.dat (medanomaly fetch bidmc)",
        "ODC-BY 1.0",
    ),
    "ucr": Source(
        "UCR Time Series Anomaly Archive",
        "https://www.cs.ucr.edu/~eamonn/time_series_data_2018/",
        "*_UCR_Anomaly_*.txt",
        "none stated: evaluation only",
    ),
    "ecg5000": Source(
        "ECG5000 of the UCR Time Series Classification Archive",
        "https://www.timeseriesclassification.com/description.php?Dataset=ECG5000",
        "ECG5000_TRAIN.txt and ECG5000_TEST.txt",
        "none stated: evaluation only",
    ),
    "chest_xray": Source(
        "Labeled Chest X-Ray Images (Kermany et al. 2018)",
        "https://data.mendeley.com/datasets/rscbjbr9sj/3",
        "ChestXRay2017.zip, unpacked (train/NORMAL, train/PNEUMONIA, test/NORMAL, test/PNEUMONIA)",
        "CC BY 4.0",
    ),
    "medmnist": Source(
        "MedMNIST v2 (Yang et al. 2023)", "https://medmnist.com", "pneumoniamnist.npz", "CC BY 4.0"
    ),
    "phenopackets": Source(
        "the phenopacket-store (Danis et al. 2024)",
        "https://github.com/monarch-initiative/phenopacket-store/releases",
        "all_phenopackets.zip, as phenopacket-store-<release>.zip",
        "BSD-3-Clause",
    ),
}


def not_found(path: str | Path) -> DataNotFoundError:
    """The error for a missing file: what to get, where, under which licence, and the folder for it."""
    path = Path(path)
    for name, source in SOURCES.items():
        if name in path.parts:
            folder = Path(*path.parts[: path.parts.index(name) + 1])
            return DataNotFoundError(
                "the file does not exist",
                remedy=f"Get {source.files} of {source.title} from {source.url} (licence: {source.licence}) into "
                f"{folder}, or set MEDANOMALY_DATA to the folder that holds '{name}'.",
                source=path,
            )
    return DataNotFoundError(
        "the file does not exist", remedy="Correct filepath in the catalog entry.", source=path
    )
