"""Prevalences of Orphanet: stated means, classes, and files that are something else."""

import numpy as np
import pytest

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.diagnosis.knowledge.prevalence import class_per_100000, read_prevalence

XML = """<?xml version="1.0" encoding="UTF-8"?>
<JDBOR><DisorderList><Disorder><OrphaCode>58</OrphaCode><Name lang="en">Alexander disease</Name>
<PrevalenceList>
 <Prevalence><PrevalenceType><Name>Point prevalence</Name></PrevalenceType>
  <PrevalenceClass><Name>&lt;1 / 1 000 000</Name></PrevalenceClass><ValMoy>0.04</ValMoy>
  <PrevalenceGeographic><Name>Japan</Name></PrevalenceGeographic>
  <PrevalenceValidationStatus><Name>Validated</Name></PrevalenceValidationStatus></Prevalence>
 <Prevalence><PrevalenceType><Name>Prevalence at birth</Name></PrevalenceType>
  <PrevalenceClass><Name>1-9 / 100 000</Name></PrevalenceClass><ValMoy>0.0</ValMoy>
  <PrevalenceGeographic><Name>Europe</Name></PrevalenceGeographic>
  <PrevalenceValidationStatus><Name>Not yet validated</Name></PrevalenceValidationStatus></Prevalence>
</PrevalenceList></Disorder></DisorderList></JDBOR>"""


def test_stated_means_come_before_classes(tmp_path):
    (tmp_path / "p.xml").write_text(XML)
    table = read_prevalence(tmp_path / "p.xml")
    assert table["disease"].tolist() == ["ORPHA:58"] * 2
    np.testing.assert_allclose(table["per_100000"], [0.04, 5])
    assert table["place"].tolist() == ["Japan", "Europe"]
    assert table["validated"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1-9 / 1 000 000", 0.5),
        ("<1 / 1 000 000", 0.05),
        (">1 / 1000", 100),
        ("1-5 / 10 000", 30),
        ("Unknown", np.nan),
    ],
)
def test_classes_are_read_by_their_middle(given, expected):
    np.testing.assert_allclose(class_per_100000(given), expected)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DataNotFoundError, match="en_product9_prev.xml"):
        read_prevalence(tmp_path / "none.xml")
    (tmp_path / "a.xml").write_text("{}")
    with pytest.raises(InputError, match="no XML"):
        read_prevalence(tmp_path / "a.xml")
    (tmp_path / "b.xml").write_text("<x/>")
    with pytest.raises(InputError, match="says nothing of prevalences"):
        read_prevalence(tmp_path / "b.xml")
