"""What software can see of HIPAA and the GDPR: each rule as done, not done, or yours to say, with what was looked at.

It is no legal advice and no certificate. What nothing was given for stands as yours to say, never as done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from medanomaly.privacy.identifiers_in_tables import IDENTIFIERS

DONE, NOT_DONE, YOURS = "done", "not done", "yours to say"
HIPAA, GDPR = "HIPAA", "GDPR"
FEWEST_IN_GROUP = 5


@dataclass(frozen=True)
class Item:
    """One rule.

    Attributes:
        law: ``HIPAA`` or ``GDPR``.
        rule: where it stands.
        title: what it asks for.
        status: ``done``, ``not done`` or ``yours to say``.
        why: what was looked at, or why software cannot say.
        remedy: what would make it done; empty unless it is not done.
    """

    law: str
    rule: str
    title: str
    status: str
    why: str
    remedy: str = ""


@dataclass(frozen=True)
class Table:
    """A table that is to be passed on.

    Attributes:
        name: of the file.
        identifiers: letter of the rule -> columns that look like it.
        smallest_group: k of k-anonymity.
        quasi: columns that k counts.
    """

    name: str
    identifiers: Mapping[str, list[str]]
    smallest_group: int
    quasi: tuple[str, ...]


@dataclass(frozen=True)
class Store:
    """A store of predictions.

    Attributes:
        n_predictions: rows.
        plain_ids: keys of patients or cases that are no keyed hash.
        raw_records: records with clinical values.
        chain: what is wrong with the audit chain; empty where it is whole, None where the key was not there to check it.
    """

    n_predictions: int
    plain_ids: int
    raw_records: int
    chain: str | None


@dataclass(frozen=True)
class Facts:
    """What was looked at; None where nothing was given.

    Attributes:
        rows_kept: model -> training rows that its bundle holds; 0 for a bundle without any.
        tables: that are to be passed on.
        store: of predictions.
        key_files: file of secrets -> what is wrong with it, empty where nothing is.
        service_keys: number of API keys of the service.
        sent: what trackers send away, in words; None where no settings of trackers were found.
    """

    rows_kept: Mapping[str, int] | None = None
    tables: tuple[Table, ...] = ()
    store: Store | None = None
    key_files: Mapping[str, str] = field(default_factory=dict)
    service_keys: int | None = None
    sent: tuple[str, ...] | None = None


# kinds that keep rows, for bundles of earlier versions, which do not say how many
_KEEP_ROWS = (
    "nearest_neighbours",
    "local_outlier_factor",
    "one_class_svm",
    "four_member_ensemble",
    "two_view_ensemble",
    "lbe",
)


def rows_kept(manifest: Mapping[str, Any]) -> int:
    """Training rows that a bundle holds.

    Args:
        manifest: of the bundle.

    Example:
        >>> rows_kept({"kind": "nearest_neighbours", "rows_kept": 300}), rows_kept({"kind": "isolation_forest"})
        (300, 0)
    """
    kept = manifest.get("rows_kept") or manifest.get("known", {}).get("rows_kept", 0)
    if not kept and manifest["kind"] in _KEEP_ROWS and "prototypes" not in manifest:
        return manifest.get("training_data", {}).get("n_cases", 1)
    return kept


def items(facts: Facts) -> list[Item]:
    """The list, HIPAA first.

    Args:
        facts: what was looked at.

    Examples:
        >>> next(item.status for item in items(Facts()) if item.title == "No telephone numbers")
        'yours to say'
    """
    return [*_safe_harbor(facts), *_security_rule(facts), *_gdpr(facts)]


def _safe_harbor(facts: Facts) -> Iterator[Item]:
    for identifier in IDENTIFIERS:
        rule = f"45 CFR 164.514(b)(2)(i)({identifier.letter})"
        columns = [
            f"{t.name}: {', '.join(t.identifiers[identifier.letter])}"
            for t in facts.tables
            if t.identifiers[identifier.letter]
        ]
        if not identifier.seen:
            status, why, remedy = YOURS, "A table cannot show it; images, videos and sound can.", ""
        elif not facts.tables:
            status, why, remedy = YOURS, "No table was given: --data FILE looks for it.", ""
        elif columns:
            status, why = NOT_DONE, f"Columns that look like it: {'; '.join(columns)}."
            remedy = "medanomaly deidentify FILE, or --column NAME=remove for these columns."
        else:
            status, remedy = DONE, ""
            why = f"No column of {_names(facts)} looks like it, by its name and values."
        yield Item(HIPAA, rule, f"No {identifier.title}", status, why, remedy)
    yield Item(
        HIPAA,
        "45 CFR 164.514(b)(2)(ii)",
        "Nobody knows of a way to identify a person by what is left",
        YOURS,
        "It is about what you know.",
    )
    yield Item(
        HIPAA,
        "45 CFR 164.514(b)(1)",
        "Or an expert determines that the risk is very small",
        YOURS,
        "Group sizes below may help.",
    )


def _security_rule(facts: Facts) -> Iterator[Item]:
    if facts.service_keys is None:
        access = YOURS, "No file of API keys was given: --keys FILE.", ""
    elif facts.service_keys == 0:
        access = (
            NOT_DONE,
            "The file of API keys holds none.",
            "python -m medanomaly.service key FILE NAME --scope score.",
        )
    else:
        access = DONE, f"The service asks for one of {facts.service_keys} API keys with scopes.", ""
    yield Item(
        HIPAA, "45 CFR 164.312(a)(1), (d)", "Access only for those who may, and who are known", *access
    )
    yield Item(
        HIPAA,
        "45 CFR 164.312(a)(2)(iv)",
        "Encryption of what is stored",
        YOURS,
        "Disks and databases are yours to encrypt.",
    )
    yield Item(HIPAA, "45 CFR 164.312(b)", "A record of who looked at what", *_audit(facts.store))
    if facts.rows_kept is None:
        whole = YOURS, "No models were given: --models FOLDER.", ""
    else:
        whole = DONE, f"Every file of {len(facts.rows_kept)} bundles has the SHA-256 of its manifest.", ""
    yield Item(HIPAA, "45 CFR 164.312(c)(1)", "Nothing is altered unnoticed", *whole)
    yield Item(
        HIPAA,
        "45 CFR 164.312(e)(1)",
        "Encryption of what is sent",
        YOURS,
        "TLS is the task of a proxy before the service.",
    )
    yield Item(
        HIPAA,
        "45 CFR 164.308(a)(1)",
        "Risk analysis, and people who are responsible",
        YOURS,
        "It is a document and a decision.",
    )
    yield Item(
        HIPAA,
        "45 CFR 164.502(e)",
        "Contracts with those who process data for you",
        YOURS,
        "They are contracts.",
    )


def _audit(store: Store | None) -> tuple[str, str, str]:
    if store is None:
        return YOURS, "No store of predictions was given: --store URL.", ""
    if store.chain is None:
        return YOURS, "The audit chain was not read: the key of the store is not here.", ""
    if store.chain:
        return (
            NOT_DONE,
            f"The audit chain is broken: {store.chain}.",
            "Restore the database, and find out who changed it.",
        )
    return DONE, "The audit chain of the store is whole; add_event records who was shown an answer.", ""


def _gdpr(facts: Facts) -> Iterator[Item]:
    yield Item(
        GDPR, "Art. 4(5)", "Pseudonyms in place of ids, and their secret kept apart", *_pseudonyms(facts)
    )
    yield Item(
        GDPR, "Art. 5(1)(b)", "A purpose, and no other use", YOURS, "The model card says what a model is for."
    )
    yield Item(
        GDPR, "Art. 5(1)(c)", "No more data than needed: what is passed on with a model", *_bundles(facts)
    )
    yield Item(GDPR, "Art. 5(1)(c)", "No more data than needed: what is stored", *_stored(facts.store))
    yield Item(
        GDPR,
        "Art. 5(1)(e)",
        "Nothing is kept longer than needed",
        YOURS,
        "How long is your decision; nothing is deleted by itself.",
    )
    yield Item(GDPR, "Art. 6, 9", "A legal basis for data about health", YOURS, "It is a legal question.")
    yield Item(GDPR, "Art. 15", "A person sees what is stored of them", *_access(facts.store))
    yield Item(GDPR, "Art. 17", "A person is erased", *_erasure(facts))
    yield Item(
        GDPR,
        "Art. 22",
        "No decision by a machine alone",
        YOURS,
        "Answers are for people; who decides is yours.",
    )
    yield Item(GDPR, "Art. 25, 44", "Nothing is sent to others by default", *_sent(facts.sent))
    yield Item(
        GDPR,
        "Art. 30",
        "A record of processing",
        YOURS,
        "Model cards and deidentified.json hold facts for it.",
    )
    yield Item(GDPR, "Art. 32", "Secrets that only their owner can read", *_secrets(facts.key_files))
    yield Item(
        GDPR,
        "Art. 35",
        "An assessment of impact (DPIA)",
        YOURS,
        "It is a document; docs/privacy.md names what a model gives away.",
    )
    yield Item(GDPR, "Recital 26", "Anonymous: nobody can be singled out", *_groups(facts.tables))


def _pseudonyms(facts: Facts) -> tuple[str, str, str]:
    named = [
        f"{t.name}: {', '.join(t.identifiers[x])}" for t in facts.tables for x in "HR" if t.identifiers[x]
    ]
    if facts.store is None and not facts.tables:
        return YOURS, "Neither a store nor a table was given.", ""
    if facts.store is not None and facts.store.plain_ids:
        return (
            NOT_DONE,
            f"{facts.store.plain_ids:,} keys of the store are no keyed hash.",
            "They were not written by this program: delete them, and record the answers again.",
        )
    if named:
        return (
            NOT_DONE,
            f"Columns of plain ids: {'; '.join(named)}.",
            "medanomaly deidentify FILE replaces them.",
        )
    looked = (
        [f"{facts.store.n_predictions:,} predictions of the store"] if facts.store is not None else []
    ) + ([_names(facts)] if facts.tables else [])
    return DONE, f"No plain id in {' and '.join(looked)}.", ""


def _bundles(facts: Facts) -> tuple[str, str, str]:
    if facts.rows_kept is None:
        return YOURS, "No models were given: --models FOLDER.", ""
    kept = {name: n for name, n in facts.rows_kept.items() if n}
    if not kept:
        return DONE, f"None of {len(facts.rows_kept)} bundles holds a training row.", ""
    return (
        NOT_DONE,
        f"Bundles that hold training rows: {', '.join(f'{name} ({n:,})' for name, n in kept.items())}.",
        "Pass on other models, train detectors of tables with options: {prototypes: 5}, or treat these as patients' data.",
    )


def _stored(store: Store | None) -> tuple[str, str, str]:
    if store is None:
        return YOURS, "No store of predictions was given: --store URL.", ""
    if store.raw_records:
        return (
            NOT_DONE,
            f"The store holds {store.raw_records:,} raw records with clinical values.",
            "Store.forget_records deletes those of a patient; keep_clinical_values is only for features that need them.",
        )
    return DONE, "The store holds no raw record.", ""


def _access(store: Store | None) -> tuple[str, str, str]:
    if store is None:
        return YOURS, "No store of predictions was given: --store URL.", ""
    return DONE, "Store.history and Store.explanations list what is stored of a patient.", ""


def _erasure(facts: Facts) -> tuple[str, str, str]:
    store = facts.store
    if store is not None and store.n_predictions:
        return (
            NOT_DONE,
            f"Raw records can be forgotten; {store.n_predictions:,} predictions cannot, as the audit chain seals them.",
            "Destroy the key of the store, after which no row leads to a person, or begin a new store.",
        )
    if facts.rows_kept and any(facts.rows_kept.values()):
        return NOT_DONE, "Bundles hold training rows.", "Train them again without the person."
    return YOURS, "Whether a model has to be trained again without a person is a legal question.", ""


def _sent(sent: tuple[str, ...] | None) -> tuple[str, str, str]:
    if sent is None:
        return YOURS, "No settings of trackers were found: --conf FOLDER.", ""
    if sent:
        return (
            NOT_DONE,
            f"Trackers that send: {'; '.join(sent)}.",
            "Set tracking.wandb.mode to offline, bundles to reference.",
        )
    return DONE, "Trackers write to folders of this machine.", ""


def _secrets(key_files: Mapping[str, str]) -> tuple[str, str, str]:
    if not key_files:
        return YOURS, "No file of secrets was found; secrets of the environment cannot be seen.", ""
    wrong = [f"{name} {problem}" for name, problem in key_files.items() if problem]
    if wrong:
        return NOT_DONE, f"{'; '.join(wrong)}.", "chmod 600, and keep it out of what is passed on."
    return DONE, f"Only their owner can read {', '.join(key_files)}.", ""


def _groups(tables: tuple[Table, ...]) -> tuple[str, str, str]:
    if not tables:
        return YOURS, "No table was given: --data FILE counts its groups.", ""
    small = [t for t in tables if t.smallest_group < FEWEST_IN_GROUP]
    said = "; ".join(
        f"{t.name}: {t.smallest_group} rows, by {', '.join(t.quasi) or 'no column'}" for t in tables
    )
    if small:
        return (
            NOT_DONE,
            f"Smallest group of {said}.",
            "medanomaly deidentify FILE --least-group 5 --generalise.",
        )
    # large groups are needed and not enough
    return YOURS, f"Smallest group of {said}. Whether that is enough depends on what others know.", ""


def _names(facts: Facts) -> str:
    return ", ".join(table.name for table in facts.tables)
