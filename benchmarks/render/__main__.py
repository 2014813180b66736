"""``python -m benchmarks.render``: write ``docs/results`` and the headlines of the README."""

from benchmarks.render.figures import RESULTS
from benchmarks.render.headlines import with_headlines
from benchmarks.render.page import render
from benchmarks.render.pages import PAGES

ROOT = RESULTS.parents[1]
DOCS = ROOT / "docs" / "results"


def main() -> None:
    placed = {section.benchmark for page in PAGES for section in page.sections}
    forgotten = sorted({path.stem for path in RESULTS.glob("*.json")} - placed)
    if forgotten:
        raise SystemExit(f"{forgotten} stand on no page of benchmarks/render/pages")
    readme = ROOT / "README.md"
    readme.write_text(with_headlines(readme.read_text()))
    print("README.md")
    for page in PAGES:
        (DOCS / f"{page.name}.md").write_text(render(page))
        print(f"docs/results/{page.name}.md")


if __name__ == "__main__":
    main()
