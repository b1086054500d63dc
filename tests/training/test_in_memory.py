"""The loop: reproducible, alone with its randomness, and honest about a loss that ran away."""

import random

import numpy as np
import pytest
import torch
from torch import nn

import dmlkit
from dmlkit.data import ImageSplit, digits
from dmlkit.losses import LinearCrossEntropy, SupCon
from dmlkit.metrics import recall_at_k, silhouette_score
from dmlkit.models import SmallCNN
from dmlkit.training import embed, train


@pytest.fixture(scope="module")
def data():
    """A third of the digits: quick, and enough to learn from."""
    whole = digits()
    return ImageSplit(
        "digits/some",
        whole.train_images[::3],
        whole.train_labels[::3],
        whole.test_images[::3],
        whole.test_labels[::3],
        whole.source,
    )


class Network(nn.Sequential):
    """Small enough that a run takes no time."""

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 8))


class WithDropout(nn.Sequential):
    """Draws random numbers while it trains."""

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 8))


def run(data, **options):
    arguments = {
        "name": "run",
        "make_model": Network,
        "make_loss": lambda: LinearCrossEntropy(5, 8),
        "data": data,
        "epochs": 2,
        "batch_size": 32,
        "progress": False,
    }
    return train(**{**arguments, **options})


@pytest.fixture(scope="module")
def first(data):
    return run(data)


def test_same_seed_same_run(data, first):
    again = run(data)
    assert again.record.curves == first.record.curves
    assert again.record.metrics == first.record.metrics
    for part in ("model", "loss"):
        one, other = getattr(again, part).state_dict(), getattr(first, part).state_dict()
        assert list(one) == list(other)
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_seed_sets_initialisation_and_order(data):
    orders, starts = [], []

    class Noting(LinearCrossEntropy):
        def forward(self, embeddings, labels):
            orders[-1].extend(labels.tolist())
            return super().forward(embeddings, labels)

    for seed in (0, 1):
        orders.append([])
        model = run(data, make_loss=lambda: Noting(5, 8), seed=seed, epochs=1, lr=0.0).model
        starts.append(model[-1].weight)  # where it began: it learned at the rate 0
    assert orders[0] != orders[1]
    assert not torch.equal(*starts)


@pytest.mark.parametrize("make_model", [Network, WithDropout])
def test_the_callers_random_state_does_not_reach_the_run(data, make_model):
    curves = []
    for state in (1, 2):
        torch.manual_seed(state)
        curves.append(run(data, make_model=make_model, epochs=1).record.curves)
    assert curves[0] == curves[1]


def global_states():
    return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002


@pytest.mark.parametrize("make_model", [Network, WithDropout])
def test_the_run_does_not_reach_the_callers_random_state(data, make_model):
    before = global_states()
    run(data, make_model=make_model, epochs=1)
    assert global_states() == before


def test_loss_falls(data):
    start, end = run(data, lr=0.03).record.curves["loss"]
    assert end < 0.8 * start


def test_both_model_and_loss_train(data):
    before = []

    def make_model():
        model = Network()
        before.extend(parameter.detach().clone() for parameter in model.parameters())
        return model

    model, loss, _ = run(data, make_model=make_model, epochs=1)
    assert all(not torch.equal(now, then) for now, then in zip(model.parameters(), before, strict=True))
    assert all((parameter != 0).any() for parameter in loss.parameters())  # they start at zero


def test_loss_lr_is_the_losses_own(data):
    _, loss, record = run(data, epochs=1, loss_lr=0.0)
    assert all((parameter == 0).all() for parameter in loss.parameters())
    assert (record.config["lr"], record.config["loss_lr"]) == (3e-3, 0.0)


def test_trains_in_training_mode_and_hands_back_in_evaluation_mode(data, first):
    modes = []

    class Noting(Network):
        def forward(self, images):
            modes.append(self.training)
            return super().forward(images)

    run(data, make_model=lambda: Noting().eval(), epochs=1)
    steps = len(data.train_images) // 32
    assert modes == [True] * steps + [False]  # the last call embeds the test half
    assert not any(module.training for module in first.model.modules())


def test_record(data, first):
    model, _, record = first
    assert (record.name, record.seed, record.device) == ("run", 0, "cpu")
    assert record.config == {
        "model": "Network",
        "parameters": sum(p.numel() for p in model.parameters()),
        "loss": repr(LinearCrossEntropy(5, 8)),
        "optimizer": "Adam",
        "epochs": 2,
        "batch_size": 32,
        "lr": 3e-3,
        "loss_lr": 3e-3,
        "distance": "cosine",
    }
    assert record.data == {
        "name": data.name,
        "sha256": data.checksum,
        "train": len(data.train_images),
        "test": len(data.test_images),
        "source": data.source,
    }
    assert record.versions["torch"] == torch.__version__
    assert record.versions["dmlkit"] == dmlkit.__version__
    assert set(record.versions) == {"python", "torch", "dmlkit"}
    assert list(record.curves) == ["loss"]
    assert len(record.curves["loss"]) == 2
    assert record.seconds > 0


def test_record_can_be_saved_and_read(first, tmp_path):
    record = first.record
    assert type(record).load(record.save(tmp_path / "run.json")) == record


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_metrics_are_of_the_test_half_at_the_end(data, distance):
    model, _, record = run(data, epochs=1, distance=distance)
    embeddings = embed(model, data.test_images)
    assert record.metrics == {
        "R@1": recall_at_k(embeddings, data.test_labels, ks=(1,), distance=distance)[1],
        "silhouette": silhouette_score(embeddings, data.test_labels, distance=distance),
    }


def test_the_books_network(data):
    model, _, record = run(data, make_model=lambda: SmallCNN(8, width=4), epochs=1)
    assert embed(model, data.test_images).shape == (len(data.test_images), 8)
    assert record.config["model"] == "SmallCNN"
    # Better than guessing among five unseen classes of about equal size.
    assert record.metrics["R@1"] > 0.3


def test_loss_without_parameters(data):
    record = run(data, make_loss=SupCon).record
    assert record.curves["loss"][1] < record.curves["loss"][0]


def test_last_incomplete_batch_is_dropped(data):
    sizes = []

    class Counting(LinearCrossEntropy):
        def forward(self, embeddings, labels):
            sizes.append(len(labels))
            return super().forward(embeddings, labels)

    run(data, make_loss=lambda: Counting(5, 8), epochs=1, batch_size=47)
    assert sizes == [47] * (len(data.train_images) // 47)
    assert len(data.train_images) % 47 != 0


def test_every_epoch_shuffles_anew(data):
    seen = []

    class Noting(LinearCrossEntropy):
        def forward(self, embeddings, labels):
            seen.append(labels.tolist())
            return super().forward(embeddings, labels)

    run(data, make_loss=lambda: Noting(5, 8), batch_size=len(data.train_images))
    assert len(seen) == 2
    assert seen[0] != seen[1]
    assert sorted(seen[0]) == sorted(seen[1]) == sorted(data.train_labels.tolist())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_loss_that_is_no_longer_finite(data, value):
    last_step = 2 * (len(data.train_images) // 32)

    class Exploding(LinearCrossEntropy):
        calls = 0

        def forward(self, embeddings, labels):
            self.calls += 1
            # In the very last step, so that no later NaN gives an infinity away.
            return (value if self.calls == last_step else 1.0) * super().forward(embeddings, labels)

    with pytest.raises(FloatingPointError, match=r"run, seed 0: the loss is .* in epoch 2; lower lr \(0.003\)"):
        run(data, make_loss=lambda: Exploding(5, 8))


@pytest.mark.parametrize("wrong", [0, -1, 10**6])
def test_batch_size_out_of_range(data, wrong):
    with pytest.raises(ValueError, match=f"batch_size must lie in 1 … {len(data.train_images)}, found {wrong}"):
        run(data, batch_size=wrong)


def test_unknown_distance(data):
    with pytest.raises(ValueError, match="distance must be one of"):
        run(data, epochs=1, distance="manhattan")


@pytest.mark.parametrize(
    ("progress", "building", "shown"), [(True, "1", True), (None, "1", False), (False, "", False), (None, "", True)]
)
def test_progress_bar(data, monkeypatch, capsys, progress, building, shown):
    monkeypatch.setenv("DMLKIT_BOOK", building)
    run(data, epochs=1, progress=progress)
    assert ("run, seed 0" in capsys.readouterr().err) == shown


def test_embed_in_batches(data, first):
    model = first.model
    whole = embed(model.train(), data.test_images)
    assert not model.training
    assert not whole.requires_grad
    assert whole.shape == (len(data.test_images), 8)
    torch.testing.assert_close(embed(model, data.test_images, batch_size=7), whole)
