"""Every public function says where it is from and in which unit, and its example runs."""

import doctest
import inspect
import re

import pytest
import torch

from dmlkit import information

each_function = pytest.mark.parametrize("name", information.__all__)


@each_function
def test_example(name):
    (test,) = doctest.DocTestFinder(recurse=False).find(
        getattr(information, name), name, globs={**vars(information), "torch": torch}
    )
    assert test.examples
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


@each_function
def test_docstring(name):
    """The equation, the source, every argument, what comes back, what is raised, the chapter."""
    function = getattr(information, name)
    text = inspect.getdoc(function)
    assert "$" in text
    assert re.search(r"paper M\b|\b(19|20)\d\d\b", text) or function.__module__.endswith("mixtures")
    for part in ("Args:", "Returns:", "Raises:", "hapter"):
        assert part in text
    for argument in inspect.signature(function).parameters:
        assert re.search(rf"^    {argument}:", text, re.MULTILINE), argument
    if inspect.signature(function).return_annotation == "float":
        assert "nats" in text
