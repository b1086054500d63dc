"""The appendix: a page of measurements is its record, and the reference holds every public name."""

import importlib.util
import inspect
import json
import re
import sys

import pytest
from built_book import ROOT

from dmlkit import bound_optimization, information, landscape, losses, metrics


@pytest.fixture(scope="module")
def benchmarks():
    """The scripts, as modules; importing them measures nothing."""
    pytest.importorskip("resource", reason="the peak of memory is read in a way that Windows does not have")
    folder = ROOT / "tests/benchmarks"
    sys.path.insert(0, str(folder))
    try:
        return {path.stem: importlib.import_module(path.stem) for path in folder.glob("bench_*.py")}
    finally:
        sys.path.pop(0)


SCRIPTS = [path.stem for path in sorted((ROOT / "tests/benchmarks").glob("bench_*.py"))]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_page_is_made_from_the_record(benchmarks, script):
    bench = benchmarks[script]
    record = json.loads(bench.RECORD.read_text(encoding="utf-8"))
    assert bench.RECORD.with_suffix(".md").read_text(encoding="utf-8") == bench.page(record)


@pytest.mark.parametrize("script", ["bench_losses", "bench_measures"])
def test_the_record_has_every_case(benchmarks, script):
    bench = benchmarks[script]
    record = json.loads(bench.RECORD.read_text(encoding="utf-8"))
    assert [row["case"] for row in record["rows"]] == list(bench.CASES)
    assert [row["case"] for row in record["rows"] if "megabytes" in row] == list(bench.WITH_MEMORY)
    assert all(ms > 0 for row in record["rows"] for ms in row["milliseconds"].values())


@pytest.mark.parametrize("name", ["SupCon", "EuclideanSoftmax", "ProxyAnchor"])
def test_both_sides_of_a_shared_case_take_a_step(benchmarks, name):
    steps = benchmarks["bench_losses"].shared(name, 12, 4)
    for run in steps.values():
        run()


# page → the packages whose public names it must have
REFERENCE = {
    "losses": (losses,),
    "measures": (metrics, information, bound_optimization),
    "landscapes": (landscape,),
}
PUBLIC = [(package, name) for packages in REFERENCE.values() for package in packages for name in package.__all__]


@pytest.mark.parametrize("page", REFERENCE)
def test_every_public_name_is_in_the_reference(page):
    text = (ROOT / f"book/appendix/{page}.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"automodule:: (\S+)", text))
    hidden = set(re.findall(r"\w+", " ".join(re.findall(r":exclude-members: (.*)", text))))
    names = {name for package in REFERENCE[page] for name in package.__all__}
    for package in REFERENCE[page]:
        for name in package.__all__:
            assert getattr(package, name).__module__ in listed
            assert name not in hidden
    for module in listed:
        public = {
            name
            for name, value in vars(sys.modules[module]).items()
            if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == module and name[0] != "_"
        }
        assert public - hidden <= names


@pytest.fixture(scope="module")
def to_rest():
    spec = importlib.util.spec_from_file_location("api_reference", ROOT / "tools/api_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.to_rest


@pytest.mark.parametrize(
    ("markdown", "rest"),
    [
        ("the mean $\\mu_c$ of\nclass c", "the mean :math:`\\mu_c` of\nclass c"),
        ("over two lines $a +\n    b$ too", "over two lines :math:`a + b` too"),
        ("    $$ a = b,\n       c $$\n\nnext", "    .. math::\n\n       a = b, c\n\nnext"),
        ("as in `sup_con` and `f(x)`", "as in :py:obj:`sup_con` and ``f(x)``"),
        ('"none" or "semi-hard"', '``"none"`` or ``"semi-hard"``'),
        ('    >>> print("a", `b`, $c$)\n    "a"\n\nand "a"', '    >>> print("a", `b`, $c$)\n    "a"\n\nand ``"a"``'),
    ],
)
def test_docstrings_become_rest(to_rest, markdown, rest):
    assert to_rest(markdown) == rest


@pytest.mark.parametrize(
    ("package", "name"),
    [(package, name) for package, name in PUBLIC if "$" in (inspect.getdoc(getattr(package, name)) or "")],
)
def test_no_formula_is_left_as_markdown(to_rest, package, name):
    prose = re.sub(r">>>.*", "", to_rest(inspect.getdoc(getattr(package, name))))
    assert "$" not in prose


def test_chapters_that_docstrings_name_exist():
    titles = set()
    for notebook in ROOT.glob("book/**/*.ipynb"):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        titles.add("".join(cells[0]["source"]).partition("\n")[0].removeprefix("# "))
    named = set()
    for file in (ROOT / "dmlkit").rglob("*.py"):
        # A docstring may break a title over two lines.
        for title in re.findall(r'in the chapter\s+"([^"]+)"', file.read_text(encoding="utf-8")):
            named.add(" ".join(title.split()))
    assert len(named) >= 4
    assert named <= titles
