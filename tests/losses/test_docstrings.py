"""What the reference in the book is made of: every public loss says where it is from, and its example runs."""

import doctest
import inspect
import re

import pytest
import torch

from dmlkit import losses

FUNCTIONS = {name: getattr(losses, name) for name in losses.__all__ if inspect.isfunction(getattr(losses, name))}
CLASSES = {name: getattr(losses, name) for name in losses.__all__ if inspect.isclass(getattr(losses, name))}


@pytest.mark.parametrize("name", [*FUNCTIONS, "WeightedSum"])
def test_example(name):
    subject = getattr(losses, name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    (test,) = doctest.DocTestFinder(recurse=False).find(subject, name, globs={**vars(losses), "torch": torch})
    assert test.examples
    report = []
    runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring(name):
    """The equation, the source, every argument, what comes back, what is raised, the chapter."""
    text = inspect.getdoc(FUNCTIONS[name])
    assert "$" in text
    assert re.search(r"paper [SMW]\b|\b(19|20)\d\d\b", text)
    for part in ("Args:", "Returns:", "Raises:"):
        assert part in text
    for argument in inspect.signature(FUNCTIONS[name]).parameters:
        assert re.search(rf"^    ([a-z_]+, )*{argument}(, [a-z_]+)*:", text, re.MULTILINE), argument
    assert "hapter" in text


@pytest.mark.parametrize("name", CLASSES)
def test_every_module_names_its_function(name):
    if name != "WeightedSum":
        assert f"`{CLASSES[name].function.__name__}` as a module" in inspect.getdoc(CLASSES[name])
