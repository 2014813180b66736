"""The project as a whole: every environment resolves, nothing in conf is unused, nothing unsafe is loaded."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = sorted(p.name for p in (ROOT / "conf").iterdir() if p.is_dir() and p.name != "local")
HEAVY = ("torch", "lightning", "wandb", "optuna", "matplotlib", "sklearn", "onnxruntime", "numba", "skops")


@pytest.fixture(scope="module", autouse=True)
def project():
    bootstrap_project(ROOT)


def context(env):
    with KedroSession.create(project_path=ROOT, env=env) as session:
        return session.load_context()


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_catalog_of_every_environment_resolves(env):
    catalog = context(env).catalog
    for name in pipelines["__default__"].datasets():
        # a parameter may be null, such as alarm.group_by, but it is there
        assert name in catalog, f"{env}: '{name}' would only live in memory"
        if not name.startswith("params:") and name != "parameters":
            assert type(catalog[name]).__name__ != "MemoryDataset", f"{env}: {name}"
            # an argument of this name would hide the method, which Kedro-Viz and runners call
            assert callable(catalog[name].release), f"{env}: {name}"


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_outputs_of_an_environment_stay_in_folders_of_its_own(env):
    ctx = context(env)
    # each access builds a catalog anew
    catalog = ctx.catalog
    key = ctx.params["run"].dataset
    for name in pipelines["__default__"].all_outputs():
        path = getattr(catalog[name], "_filepath", None) or getattr(catalog[name], "folder", None)
        assert f"/{key}/" in f"{path}/", f"{env}: {name} is written to {path}"


def config_files(kind):
    return sorted(
        p for p in (ROOT / "conf").rglob("*.yml") if kind in p.relative_to(ROOT / "conf").as_posix()
    )


@pytest.fixture(scope="module")
def used_anywhere():
    """Names that the pipelines of any environment read or write; what is wired depends on the environment."""
    used = set()
    for env in ENVIRONMENTS:
        context(env)
        used |= set().union(*(p.datasets() for p in pipelines.values()))
    return used


def test_no_catalog_entry_is_unused(used_anywhere):
    used = used_anywhere
    for path in config_files("catalog"):
        for name in yaml.safe_load(path.read_text()) or {}:
            if name.startswith("_"):
                continue
            pattern = re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(name)) + "$")
            assert any(pattern.match(u) for u in used), f"{path.name}: '{name}' is used by no pipeline"


def test_no_parameter_is_unused(used_anywhere):
    used = {d.removeprefix("params:") for d in used_anywhere if d.startswith("params:")}
    for path in config_files("parameters"):
        for block, content in (yaml.safe_load(path.read_text()) or {}).items():
            if block == "models":
                continue
            names = {block, *(f"{block}.{key}" for key in content)} if isinstance(content, dict) else {block}
            whole = block in used
            single = {name for name in names - {block} if name in used}
            assert whole or single == names - {block}, f"{path.name}: '{block}' is not used as a whole"


def test_every_block_of_a_model_is_a_model_of_some_environment(used_anywhere):
    for path in config_files("parameters"):
        models = (yaml.safe_load(path.read_text()) or {}).get("models", {})
        for modality, blocks in models.items():
            for name, block in blocks.items():
                used = f"params:models.{modality}.{name}" in used_anywhere
                assert used or block is None, f"{path.name}: models.{modality}.{name}"


def test_every_catalog_entry_has_a_layer_for_kedro_viz():
    for path in config_files("catalog"):
        for name, entry in (yaml.safe_load(path.read_text()) or {}).items():
            if not name.startswith("_"):
                assert entry.get("metadata", {}).get("kedro-viz", {}).get("layer"), f"{path.name}: {name}"


def test_nothing_in_the_catalog_is_pickled():
    for path in config_files("catalog"):
        assert "pickle" not in path.read_text().lower(), path


def test_every_node_is_named_and_carries_its_modality():
    for name, pipeline in pipelines.items():
        for node in pipeline.nodes:
            assert "__" not in node.name, f"{name}: {node.name} has a generated name"
            assert node.tags, f"{name}: {node.name} has no tag"


def test_listing_the_pipelines_imports_nothing_heavy():
    code = (
        "import sys; from pathlib import Path; from kedro.framework.startup import bootstrap_project;"
        "bootstrap_project(Path.cwd()); from kedro.framework.project import pipelines; dict(pipelines);"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_environment_folders_stay_small():
    for env in set(ENVIRONMENTS) - {"base"}:
        lines = {p.name: len(p.read_text().splitlines()) for p in (ROOT / "conf" / env).glob("*.yml")}
        assert max(lines.values()) <= 40, f"conf/{env}: {lines}"


def test_no_file_of_the_repository_names_an_absolute_path_or_a_package_index():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    wrong = re.compile(
        r"(^|[ \"'=(])/(root|home|tmp|mnt|opt)/[A-Za-z]|--(extra-)?index-url [^-]|--find-links"
    )
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in {".py", ".yml", ".toml", ".md", ".txt", ".cfg", ".ipynb"} and path != Path(
            __file__
        ):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                assert not wrong.search(line), f"{name}:{number}: {line.strip()[:100]}"


def test_the_data_root_can_be_set_by_the_environment_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDANOMALY_DATA", str(tmp_path))
    assert context("adbench").catalog["tabular.raw"].folder == tmp_path / "adbench"
    monkeypatch.delenv("MEDANOMALY_DATA")
    assert context("adbench").catalog["tabular.raw"].folder == ROOT / "data" / "01_raw" / "adbench" or (
        os.fspath(context("adbench").catalog["tabular.raw"].folder) == "data/01_raw/adbench"
    )


def test_where_nothing_can_be_written_compiled_code_is_kept_for_the_process_alone():
    code = (
        "import os; may = os.access; os.access = lambda *a, **k: False; import medanomaly; os.access = may;"
        "from medanomaly.detectors.kinds import denoising_autoencoder; print(os.environ['NUMBA_CACHE_DIR'])"
    )
    free = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run([sys.executable, "-c", code], env=free, capture_output=True, text=True, check=True)
    folder = Path(done.stdout.strip())
    assert folder.name.startswith("medanomaly-")
    assert not folder.exists()


def test_no_file_holds_the_marks_of_a_merge_that_was_not_ended():
    folders = ("src", "docs", "tests", "conf", "benchmarks", "deploy", "notebooks", ".github")
    files = [*ROOT.glob("*.*"), *(file for name in folders for file in (ROOT / name).rglob("*"))]
    endings = ["py", "md", "yml", "yaml", "toml", "json", "js", "css", "html", "csv", "txt", "ipynb"]
    texts = {
        file.relative_to(ROOT).as_posix(): file.read_text("utf-8", errors="replace")
        for file in files
        if file.suffix.removeprefix(".") in endings and file.is_file() and ".venv" not in file.parts
    }
    assert [name for name, text in texts.items() if re.search(r"^(<{7}|>{7}) ", text, re.M)] == []
