"""A release of nine terms and three diseases as the texts of its files, and whether the real ones are there."""

import os

import pytest

from medanomaly.diagnosis.knowledge.annotations import COLUMNS

DATA = os.environ.get("MEDANOMALY_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="MEDANOMALY_DATA names no folder of real data")

OBO = """format-version: 1.2
data-version: hp/releases/2025-01-16

[Term]
id: HP:0000001
name: All

[Term]
id: HP:0000118
name: Phenotypic abnormality
is_a: HP:0000001 ! All

[Term]
id: HP:0000707
name: Abnormality of the nervous system
is_a: HP:0000118 ! Phenotypic abnormality

[Term]
id: HP:0001250
name: Seizure
alt_id: HP:0002279
alt_id: HP:0002391
synonym: "Epilepsy" RELATED []
synonym: "Fits \\"of any kind\\"" EXACT layperson [ORCID:0000-0002-0736-9199]
synonym: "Krampfanfall" EXACT [] {dc:language="de"}
is_a: HP:0000707 ! Abnormality of the nervous system

[Term]
id: HP:0007359
name: Focal-onset seizure
is_a: HP:0001250 ! Seizure

[Term]
id: HP:0002197
name: Generalized-onset seizure
is_a: HP:0001250 {source="x"} ! Seizure

[Term]
id: HP:0001263
name: Global developmental delay
is_a: HP:0000707 ! Abnormality of the nervous system

[Term]
id: HP:0001626
name: Abnormality of the cardiovascular system
is_a: HP:0000118 ! Phenotypic abnormality

[Term]
id: HP:0001631
name: Atrial septal defect
is_a: HP:0001626 ! Abnormality of the cardiovascular system

[Term]
id: HP:0001297
name: Stroke
is_a: HP:0000707 ! Abnormality of the nervous system
is_a: HP:0001626 ! Abnormality of the cardiovascular system

[Term]
id: HP:0000057
name: obsolete Old seizure
is_obsolete: true
replaced_by: HP:0000058

[Term]
id: HP:0000058
name: obsolete Older seizure
is_obsolete: true
consider: HP:0001250

[Term]
id: HP:0000059
name: obsolete Two things
is_obsolete: true
consider: HP:0001250
consider: HP:0001297

[Term]
id: HP:0003577
name: Congenital onset
is_a: HP:0000001 ! All

[Typedef]
id: part_of
name: not a term
"""

HPOA = (
    """#description: "HPO annotations for rare diseases"
#version: 2025-01-16
"""
    + "\t".join(COLUMNS)
    + """
OMIM:1	Seizure disease 1		HP:0007359	PMID:11	PCS		3/4			P	x
OMIM:1	Seizure disease 1		HP:0007359	PMID:12	PCS		1/6			P	x
OMIM:1	Seizure disease 1		HP:0001263	OMIM:1	IEA					P	x
OMIM:1	Seizure disease 1	NOT	HP:0001631	PMID:11;PMID:13	PCS					P	x
OMIM:1	Seizure disease 1		HP:0003577	PMID:11	PCS					C	x
OMIM:2	Heart disease 2		HP:0001631	PMID:11;PMID:13	PCS		HP:0040281	FEMALE		P	x
OMIM:2	Heart disease 2		HP:0001297	PMID:13	PCS		12.5%			P	x
OMIM:2	Heart disease 2		HP:0002279	OMIM:2	TAS		5/3			P	x
OMIM:2	Heart disease 2		HP:0099999	OMIM:2	TAS					P	x
ORPHA:3	Heart disease 2		HP:0001297	ORPHA:3	TAS		HP:0040283			P	x
"""
)

GENES = "ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id\n" + "".join(
    f"1\t{gene}\tHP:0001250\tSeizure\t-\t{disease}\n"
    for gene, disease in (("AAA", "OMIM:1"), ("BBB", "OMIM:2"), ("BBB", "ORPHA:3"), ("BBB", "OMIM:2"))
)
