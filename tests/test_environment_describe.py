"""`describe`: two lines that say which versions ran, and on what."""

import doctest
import platform
import types

import pytest
import torch
import torchvision

import dmlkit
from dmlkit import environment


def test_versions_are_those_that_are_imported():
    versions, _ = environment.describe().splitlines()
    assert versions == (
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"torchvision {torchvision.__version__.partition('+')[0]}, dmlkit {dmlkit.__version__}"
    )


@pytest.mark.parametrize(("count", "said"), [(1, "CPU, 1 thread"), (8, "CPU, 8 threads")])
def test_a_cpu_by_its_threads(monkeypatch, count, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: count)
    assert environment.describe().splitlines()[1] == said


def test_a_gpu_by_its_name_and_memory(monkeypatch):
    asked = []

    def properties(number):
        asked.append(number)
        return types.SimpleNamespace(name="Tesla T4", total_memory=15 * 2**30)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    assert environment.describe().splitlines()[1] == "Tesla T4, 15 GiB" and asked == [1]


def test_without_torchvision(monkeypatch):
    def version(name):
        raise environment.PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", version)
    assert "torchvision not installed" in environment.describe()


def test_docstrings():
    done = doctest.testmod(environment)
    assert done.attempted and not done.failed


def test_an_installed_dmlkit_knows_the_commit_that_pip_noted(monkeypatch):
    """As in Colab, where there is no checkout."""
    noted = {"url": "https://example.org/owner/book", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}
    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: types.SimpleNamespace(returncode=1, stdout=""))
    monkeypatch.setattr(environment, "installed_from", lambda: noted)
    assert environment.source_code() == {"commit": "a" * 40, "changed": False}
    monkeypatch.setattr(environment, "installed_from", lambda: {"url": "file:///somewhere"})
    assert environment.source_code() == {}
