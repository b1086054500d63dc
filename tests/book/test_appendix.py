"""The appendix: the page of measurements is its record, and the reference holds every public loss."""

import importlib.util
import inspect
import json
import re
import sys

import pytest
from built_book import ROOT

from dmlkit import losses


@pytest.fixture(scope="module")
def bench():
    """The benchmark, as a module; importing it measures nothing."""
    pytest.importorskip("resource", reason="the peak of memory is read in a way that Windows does not have")
    spec = importlib.util.spec_from_file_location("bench_losses", ROOT / "tests/benchmarks/bench_losses.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_from_the_record(bench):
    record = json.loads(bench.RECORD.read_text(encoding="utf-8"))
    assert bench.PAGE.read_text(encoding="utf-8") == bench.page(record)


def test_the_record_has_every_case(bench):
    record = json.loads(bench.RECORD.read_text(encoding="utf-8"))
    assert [row["case"] for row in record["rows"]] == list(bench.CASES)
    assert [row["case"] for row in record["rows"] if "megabytes" in row] == list(bench.WITH_MEMORY)
    assert all(row["milliseconds"][side] > 0 for row in record["rows"] for side in ("dmlkit", "peer"))


@pytest.mark.parametrize("name", ["SupCon", "EuclideanSoftmax", "ProxyAnchor"])
def test_both_sides_of_a_shared_case_take_a_step(bench, name):
    steps = bench.shared(name, 12, 4)
    for run in steps.values():
        run()


def test_every_public_loss_is_in_the_reference():
    page = (ROOT / "book/appendix/losses.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"automodule:: (\S+)", page))
    hidden = set(re.findall(r"\w+", " ".join(re.findall(r":exclude-members: (.*)", page))))
    for name in losses.__all__:
        assert getattr(losses, name).__module__ in listed
        assert name not in hidden
    for module in listed:
        public = {
            name
            for name, value in vars(sys.modules[module]).items()
            if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == module and name[0] != "_"
        }
        assert public - hidden <= set(losses.__all__)


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
    "name", [name for name in losses.__all__ if "$" in (inspect.getdoc(getattr(losses, name)) or "")]
)
def test_no_formula_is_left_as_markdown(to_rest, name):
    prose = re.sub(r">>>.*", "", to_rest(inspect.getdoc(getattr(losses, name))))
    assert "$" not in prose
