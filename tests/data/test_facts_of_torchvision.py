"""Facts that torchvision has too: the catalogue states them itself, as importing torchvision takes seconds."""

from __future__ import annotations

import subprocess
import sys

from torchvision.datasets import CIFAR10, CIFAR100, FashionMNIST, Omniglot

from dmlkit.data.catalogue import CATALOGUE
from dmlkit.data.layouts import fashion_mnist


def sources(name):
    return {(source.file, source.url, source.checksum) for source in CATALOGUE[name].sources}


def test_cifar():
    for name, peer in (("cifar10", CIFAR10), ("cifar100", CIFAR100)):
        assert sources(name) == {(peer.filename, peer.url, f"md5:{peer.tgz_md5}")}


def test_fashion_mnist():
    expected = {(file, FashionMNIST.mirrors[0] + file, f"md5:{md5}") for file, md5 in FashionMNIST.resources}
    assert sources("fashion-mnist") == expected
    assert list(fashion_mnist.CLASSES) == FashionMNIST.classes


def test_omniglot():
    prefix = Omniglot.download_url_prefix
    expected = {(f"{part}.zip", f"{prefix}/{part}.zip", f"md5:{md5}") for part, md5 in Omniglot.zips_md5.items()}
    assert sources("omniglot") == expected


def test_imports_without_torchvision_and_scikit_learn():
    code = "import sys, dmlkit.data, dmlkit.losses, dmlkit.models; print({'torchvision', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
