"""Several losses as one."""

import math

import pytest
import torch

from dmlkit.losses import LinearCrossEntropy, SoftSilhouette, SupCon, WeightedSum

LABELS = torch.tensor([0, 1, 2, 1, 0, 2])


def embeddings():
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()


def hybrid():
    parts = {"ce": LinearCrossEntropy(3, 4), "con": SupCon(), "sil": SoftSilhouette()}
    return parts, WeightedSum(parts, {"sil": 0.5, "ce": 1.0, "con": 0.0})


def test_total_and_gradient():
    parts, loss = hybrid()
    rows = embeddings()
    expected = parts["ce"](rows, LABELS) + 0.5 * parts["sil"](rows, LABELS)
    value = loss(rows, LABELS)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(torch.autograd.grad(value, rows), torch.autograd.grad(expected, rows))


def test_parts_are_unweighted_detached_and_of_the_last_call():
    parts, loss = hybrid()
    assert loss.parts == {}
    loss(embeddings(), LABELS)
    rows = embeddings().roll(1, dims=0)
    loss(rows, LABELS)
    assert set(loss.parts) == {"ce", "con", "sil"}
    for name, value in loss.parts.items():
        assert not value.requires_grad
        assert value.shape == ()
        torch.testing.assert_close(value, parts[name](rows, LABELS).detach())


def test_parameters_of_the_parts_are_its_own():
    parts, loss = hybrid()
    assert [id(p) for p in loss.parameters()] == [id(p) for p in parts["ce"].parameters()]
    assert set(loss.state_dict()) == {"losses.ce.weight", "losses.ce.bias"}


@pytest.mark.parametrize(
    ("names", "weights", "says"),
    [
        ([], {}, "losses is empty"),
        (["con"], {}, r"weights must name the losses \['con'\], found \[\]"),
        (["con"], {"con": 1.0, "sil": 1.0}, r"\['con'\], found \['con', 'sil'\]"),
        (["con", "sil"], {"con": 1.0, "ce": 1.0}, r"\['con', 'sil'\], found \['ce', 'con'\]"),
        (["a.b"], {"a.b": 1.0}, "'a.b' cannot name a loss"),
        (["type"], {"type": 1.0}, "'type' cannot name a loss"),
        (["con"], {"con": -0.1}, "weight of con must be at least 0, found -0.1"),
        (["con"], {"con": math.nan}, "weight of con must be a finite number, found nan"),
    ],
)
def test_errors(names, weights, says):
    with pytest.raises(ValueError, match=says):
        WeightedSum({name: SupCon() for name in names}, weights)


def test_a_part_that_is_no_scalar_is_named():
    loss = WeightedSum({"con": SupCon(reduction="none")}, {"con": 1.0})
    with pytest.raises(ValueError, match="'con' must return a scalar"):
        loss(embeddings(), LABELS)


def test_later_changes_of_the_callers_dictionaries_do_not_reach_it():
    losses, weights = {"con": SupCon()}, {"con": 1.0}
    loss = WeightedSum(losses, weights)
    before = loss(embeddings(), LABELS)
    weights["con"] = 9.0
    losses["sil"] = SoftSilhouette()
    torch.testing.assert_close(loss(embeddings(), LABELS), before, atol=0, rtol=0)
