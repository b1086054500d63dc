"""Losses that train networks: one start for all, early layers that stay, mirrored maps, a file that is shared."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest
import torch

from dmlkit import comparison
from dmlkit.comparison import CANDIDATES, Images, NetworkProtocol, features, image_course, networks
from dmlkit.comparison.protocol import embedded, measured, standardised, train_head, validation_scores
from dmlkit.data.errors import DataError
from dmlkit.data.transforms import normalise

SCRATCH = NetworkProtocol(
    embedding_dim=8,
    steps=4,
    batch=8,
    classes=4,
    trials=2,
    seeds=2,
    backbone="tiny_cnn",
    pretrained=False,
    frozen=0,
    warmup=2,
    padding=1,
    lr=3e-3,
)
# The pack's network with random weights: as many layers, and no file.
FROZEN = replace(SCRATCH, backbone="mobilenet_v2_pack", frozen=14, padding=0, steps=2)


def coloured(seed=0, classes=8, each=6, side=32):
    """Images whose class is a colour, beside noise that is much larger."""
    draws = torch.Generator().manual_seed(seed)
    colours = torch.rand(2 * classes, 3, 1, 1, generator=draws)
    labels = torch.arange(2 * classes).repeat_interleave(each)
    noise = torch.rand(len(labels), 3, side, side, generator=draws)
    pixels = (255 * (0.3 * colours[labels] + 0.7 * noise)).to(torch.uint8)
    known = labels < classes
    return Images(
        "coloured", pixels[known], labels[known], pixels[~known], labels[~known] - classes, "made for this test"
    )


@pytest.fixture(scope="module")
def data():
    return coloured()


@pytest.fixture(scope="module", params=[SCRATCH, FROZEN], ids=["from scratch", "late stage"])
def protocol(request):
    return request.param


@pytest.fixture(scope="module")
def on(data, protocol):
    return image_course(data, protocol)


def test_the_two_stages_are_the_network():
    from dmlkit.models import build
    from dmlkit.recipes.config import Network

    found = networks.stages(FROZEN)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole = build(Network("mobilenet_v2_pack", head="none", embedding_dim=None)).eval()
    pixels = coloured().test[:3]
    shown = normalise(pixels, whole.statistics)
    torch.testing.assert_close(found.late(found.early(shown)), whole.features(shown))
    kept, trained = (sum(p.numel() for p in part.parameters()) for part in (found.early, found.late))
    assert 0.7 < trained / (kept + trained) < 0.8  # "three quarters of the weights"
    assert not any(p.requires_grad for p in found.early.parameters())
    assert all(p.requires_grad for p in found.late.parameters())


def test_every_run_begins_with_the_same_network(data, protocol, on):
    """Same weights whatever was drawn before; the first head has embeddings of mean 0, sqrt(d) long on average."""
    torch.rand(7)
    again = image_course(data, protocol)
    for one, other in zip(on.whole.head().parameters(), again.whole.head().parameters(), strict=True):
        assert torch.equal(one, other)
    plain = on.whole.rows if on.whole.rows.ndim == 4 else on.whole.rows[:, 0]
    found = embedded(on.whole.head(), plain)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(8), atol=1e-3, rtol=0)
    assert found.square().sum(dim=1).mean().sqrt() == pytest.approx(8**0.5, rel=1e-3)


def test_training_leaves_the_first_network_as_it_was(protocol, on):
    before = [p.clone() for p in on.whole.head().parameters()]
    trained = train_head(on.whole, CANDIDATES["SupCon"], {"lr": 1e-2}, protocol)
    assert all(torch.equal(p, q) for p, q in zip(before, on.whole.head().parameters(), strict=True))
    assert not any(
        torch.equal(p, q)
        for p, q in zip(trained.parameters(), before, strict=True)
        if p.ndim > 1  # all weights train, of head and late stage
    )


def test_the_same_seed_gives_the_same_network_and_leaves_the_random_state(protocol, on):
    before = torch.get_rng_state()
    one, again, other = (
        train_head(
            on.whole, CANDIDATES["NormSoftmax"], protocol.settings(CANDIDATES["NormSoftmax"], 1), protocol, seed=k
        ).head.weight
        for k in (0, 0, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_mirrored_maps_are_those_of_mirror_images(data):
    on = image_course(data, FROZEN)
    early = networks.stages(FROZEN).early
    mirror = early(normalise(data.train[:5].flip(3), networks.stages(FROZEN).statistics))
    torch.testing.assert_close(on.whole.rows[:5, 1], mirror)
    # A batch has some of each, each with its own label.
    for flip, kinds in ((0.0, {0}), (1.0, {1}), (0.5, {0, 1})):
        seen = set()
        for maps, labels in on.whole.batches(replace(FROZEN, flip=flip), 0):
            for row, label in zip(maps, labels, strict=True):
                place, kind = (on.whole.rows == row).flatten(2).all(dim=2).nonzero()[0].tolist()
                assert on.whole.labels[place] == label
                seen.add(kind)
        assert seen == kinds


def test_validation_never_sees_the_test_images(data, protocol, on):
    candidate = CANDIDATES["SupCon"]
    scores = validation_scores(on, candidate, {"lr": 1e-3}, protocol)
    assert len(scores) == protocol.held_out == 1
    spoilt = replace(data, test=torch.zeros_like(data.test))
    assert validation_scores(image_course(spoilt, protocol), candidate, {"lr": 1e-3}, protocol) == scores
    ((given, rows, labels),) = on.folds
    assert given.num_classes + len(labels.unique()) == data.train_classes
    assert len(given.rows) + len(rows) == len(data.train)


def test_training_helps_where_it_can():
    """Colours under much noise: what tells known colours apart tells new ones apart better than random weights do."""
    data = coloured(1, classes=16, each=8)
    how = replace(SCRATCH, steps=60, batch=32, classes=8, warmup=5)
    on = image_course(data, how)
    start = measured(embedded(on.whole.head(), on.test), on.test_labels, "cosine")["MAP@R"]
    trained = train_head(on.whole, CANDIDATES["SupCon"], {"lr": 3e-3}, how)
    assert measured(embedded(trained, on.test), on.test_labels, "cosine")["MAP@R"] > start + 0.05


def test_rates_rise_and_fall():
    how = NetworkProtocol(steps=100, warmup=10)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = how.schedule(optimizer)
    for step in range(100):
        expected = 2 * min((step + 1) / 10, 1) * (1 + math.cos(math.pi * step / 100)) / 2
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)
        optimizer.step()
        schedule.step()


def test_settings_of_networks_have_rates_of_their_own():
    how = NetworkProtocol()
    candidate = CANDIDATES["NormSoftmax"]
    assert how.settings(candidate, 0) == {"lr": how.lr, "loss_lr": how.loss_lr}
    drawn = [how.settings(candidate, number) for number in range(1, 200)]
    rates = [one["lr"] for one in drawn]
    assert how.lr_low <= min(rates) < 2 * how.lr_low and how.lr_high / 2 < max(rates) <= how.lr_high
    assert {one["temperature"] for one in drawn} == {
        comparison.draw(candidate, number)["temperature"] for number in range(1, 200)
    }


def test_untrained_features_are_recorded(data, protocol, on, tmp_path):
    found = comparison.study(data, tmp_path / "a.json", names=["SupCon"], protocol=protocol)
    assert found.data["width"] == on.whole.first.shape[1] and found.data["checksum"] == data.checksum
    known = on.whole.untrained(on.test)
    torch.testing.assert_close(known, standardised(known), atol=1e-2, rtol=1e-2)
    rows = measured(known, data.test_labels, "cosine")
    assert found.baselines["rows"]["MAP@R"] == pytest.approx(rows["MAP@R"], abs=1e-4)
    assert found.protocol == asdict(protocol)
    (loss,) = found.losses.values()
    assert loss["default"] == [] and len(loss["final"]) == 2 and loss["seconds"] > 0
    assert all("test" not in trial and len(trial["folds"]) == 1 for trial in loss["trials"])


def test_processes_with_losses_of_their_own_share_a_file(data, tmp_path):
    """What one has written since the other began is kept."""
    path, how = tmp_path / "a.json", replace(SCRATCH, trials=1, seeds=1, steps=1)
    once = comparison.studies.one_loss

    def meanwhile(on, name, protocol):
        if name == "SupCon":
            comparison.studies.one_loss = once
            comparison.study(data, path, names=["NormSoftmax"], protocol=how)
        return once(on, name, protocol)

    comparison.studies.one_loss = meanwhile
    try:
        found = comparison.study(data, path, names=["SupCon"], protocol=how)
    finally:
        comparison.studies.one_loss = once
    assert list(found.losses) == ["NormSoftmax", "SupCon"]
    assert list(json.loads(path.read_text())["losses"]) == ["NormSoftmax", "SupCon"]
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_images_are_read_into_memory_and_halves_share_no_class(tmp_path, monkeypatch):
    from dmlkit.data import miniature

    monkeypatch.setattr(features, "benchmark", lambda name, root: miniature("cub200"))
    found = comparison.images("cub50", root=tmp_path)
    assert found.train.dtype == torch.uint8 and found.train.shape[1:] == (3, 128, 128)
    assert found.train_labels.unique().tolist() == list(range(found.train_classes))
    assert len(found.train) == len(found.train_labels) and len(found.test) == len(found.test_labels)
    assert f"{len(found.train)} images of {found.train_classes} classes to train on" in str(found)
    assert comparison.images("cub50", root=tmp_path).checksum == found.checksum
    other = replace(found, test=found.test.flip(3))
    assert other.checksum != found.checksum


def test_missing_images_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    with pytest.raises(DataError, match="is not here: name the folder of the packs"):
        comparison.images("cars98", root=tmp_path)
    with pytest.raises(ValueError, match="name must be one of cub50, cars98, omniglot, found 'cars'"):
        comparison.images("cars")
