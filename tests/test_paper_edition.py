"""The edition `paper`, end to end, on made-up files in the formats of its sources, served over http."""

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bulk_formats
import formats
import nbformat
import pytest
import yaml

from bulk2sc import plan, workflow
from bulk2sc.datasets import needed
from bulk2sc.published import published

ROOT = Path(__file__).parents[1]


def edition(name: str) -> dict:
    return yaml.safe_load((ROOT / "editions" / f"{name}.yml").read_text())


def test_the_edition_resolves_and_covers_table_1():
    planned = plan.plan("paper")
    studies = planned.edition.parameters["studies"]
    assert studies == dict(published("table1")[["cells_source", "drug"]].itertuples(index=False))
    assert set(studies) < set(needed(planned.edition.parameters))
    assert {"single-cells", "clustering", "labelling"} <= {chapter.slug for chapter in planned.chapters}
    for slug in ("single-cells", "clustering", "labelling"):
        assert planned.chapter(slug).values["studies"] == studies


@pytest.fixture
def address(tmp_path):
    """Address of a mirror that holds a small made-up file for each file of the sources."""
    mirror = tmp_path / "mirror"
    bulk_formats.write_bulk(mirror)
    formats.write_cells(mirror)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=mirror)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
def test_the_whole_edition_on_made_up_files(address, tmp_path, monkeypatch):
    """Chapters, sources and data sets of the edition, with the edition smoke's short training."""
    root = tmp_path / "book"
    root.mkdir()
    for name in ("notebooks", "book"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("_toc.yml", "_config.yml"):
        shutil.copy(ROOT / name, root)
    paper, smoke = edition("paper"), edition("smoke")
    paper["parameters"] = smoke["parameters"] | paper["parameters"]
    paper["parameters"] |= {
        name: smoke["parameters"][name] for name in ("max_epochs", "n_seeds", "study_seeds")
    }
    paper["parameters"]["study_drugs"] = []
    paper["chapter_parameters"] = smoke["chapter_parameters"]
    (root / "editions").mkdir()
    (root / "editions" / "paper.yml").write_text(yaml.safe_dump(paper))
    for name, value in {"ROOT": root, "CACHE": tmp_path / "cache", "MIRROR": address}.items():
        monkeypatch.setenv(f"BULK2SC_{name}", str(value))

    assert workflow.build("paper").exists()
    labelling = nbformat.read(root / "_build/paper/notebooks/data/labelling.ipynb", 4)
    said = "\n".join(
        str(output.data.get("text/markdown", ""))
        for cell in labelling.cells
        for output in cell.get("outputs", [])
        if "data" in output
    )
    for key in paper["parameters"]["studies"]:
        assert f"**{key}**: " in said and "in the paper" in said
