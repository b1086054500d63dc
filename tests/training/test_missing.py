"""`missing`: what is not on this machine, in sentences that say where to get it; nothing is fetched or trained."""

import dataclasses
import doctest
import importlib

import pytest
import torch

from dmlkit.data import places
from dmlkit.data.prepare import MANIFEST
from dmlkit.recipes import recipe
from dmlkit.training import missing

module = importlib.import_module("dmlkit.training.missing")
HERE = "nothing of this may be fetched"


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """A machine without GPU, data, packs or weights, and without a network."""

    def fetch(*arguments, **options):
        raise AssertionError(HERE)

    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    monkeypatch.setenv("DMLKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    monkeypatch.setattr("urllib.request.urlopen", fetch)
    return tmp_path


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def test_a_full_run_on_a_bare_machine(bare):
    gpu, data, weights = missing(recipe("warped_softmax", "cub200"))
    assert gpu.startswith("A full run needs a GPU, and none is here:")
    assert "Runtime → Change runtime type → GPU" in gpu and "scale='small'" in gpu
    assert data == (
        "Caltech-UCSD Birds-200-2011 is not here: benchmark('cub200', download=True) fetches it (1,151 MB), or put "
        f"CUB_200_2011.tgz into {bare / 'data' / 'archives'}."
    )
    assert weights == (
        "The ImageNet weights of resnet50 (resnet50-0676ba61.pth, 98 MB) are not here yet: the run downloads them when "
        "it begins; without a network, put https://download.pytorch.org/models/resnet50-0676ba61.pth into "
        f"{bare / 'hub' / 'checkpoints'}."
    )


def test_what_is_here_is_not_named(bare, monkeypatch):
    config = recipe("warped_softmax", "cub200")
    touch(bare / "hub" / "checkpoints" / "resnet50-0676ba61.pth")
    assert len(missing(config)) == 2
    touch(bare / "data" / "archives" / "CUB_200_2011.tgz")
    assert len(missing(config)) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert missing(config) == []


def test_a_prepared_set_needs_no_archive(bare):
    config = recipe("silhouette/CE", "cifar10", scale="full")
    assert len(missing(config, device="cpu")) == 1 + config.network.pretrained
    touch(bare / "data" / "cifar10" / MANIFEST)
    assert not [s for s in missing(config, device="cpu") if "CIFAR" in s]


def test_another_root(bare):
    config = recipe("warped_softmax", "cub200")
    _, data, _ = missing(config, root=bare / "other")
    assert f"benchmark('cub200', root={str(bare / 'other')!r}, download=True)" in data
    touch(bare / "other" / "archives" / "CUB_200_2011.tgz")
    assert len(missing(config, root=bare / "other")) == 2 and len(missing(config)) == 3


def test_files_that_must_be_placed_by_hand(bare):
    _, data, _ = missing(recipe("warped_softmax", "cars196"))
    assert data.startswith("Cars-196 is not here: put car_ims.tgz, cars_annos.mat into ") and "download" not in data
    touch(bare / "data" / "archives" / "car_ims.tgz")
    _, data, _ = missing(recipe("warped_softmax", "cars196"))
    assert data.startswith("Cars-196 is not here: put cars_annos.mat into ")


def test_a_stand_in_and_its_weights_lie_in_the_packs(bare, monkeypatch):
    config = recipe("warped_softmax", "cub200", scale="small")
    data, weights = missing(config)
    assert "DMLKIT_PACKS" in data and "DMLKIT_PACKS" in weights and "first 50 classes" in data
    packs = bare / "packs"
    monkeypatch.setenv("DMLKIT_PACKS", str(packs))
    _, weights = missing(config)
    assert weights.endswith(f"put them into {packs / 'weights'}.")
    for source in module.find("cub50").sources:
        touch(packs / source.pack)
    touch(packs / "weights" / module.MOBILENET_FILE)
    assert places.packs_folder() == packs and missing(config) == []


def test_sets_of_pairs_are_needed_too():
    config = recipe("faces", "ms1mv2")
    found = missing(config, device="cpu")
    assert len(found) == 1 + len(config.evaluation.verification) > 1
    assert any("lfw.bin" in sentence for sentence in found)


def test_a_smoke_run_needs_nothing():
    assert missing(recipe("faces", "ms1mv2", scale="smoke")) == []


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "no such"])
def test_a_device_that_is_not_here(device):
    [sentence] = missing(recipe("warped_softmax", "cub200", scale="smoke"), device=device)
    assert sentence == f"The device {device!r} is not here: name another, or none to take what there is."


def test_what_is_wrong_and_not_missing_is_refused():
    config = recipe("warped_softmax", "cub200", scale="smoke")
    with pytest.raises(TypeError, match=r"^config must be a dmlkit\.recipes\.Config, found str$"):
        missing("warped_softmax")
    with pytest.raises(ValueError, match="cub2000"):
        missing(dataclasses.replace(config, benchmark="cub2000"))
    with pytest.raises(ValueError, match="resnet5"):
        missing(dataclasses.replace(config, network=dataclasses.replace(config.network, backbone="resnet5")))


def test_docstrings():
    done = doctest.testmod(module)
    assert done.attempted and not done.failed
