"""Several losses as one, each on its tap of the network."""

import copy
import math

import pytest
import torch

from dmlkit.losses import CrossEntropy, LinearCrossEntropy, ProxyAnchor, SoftSilhouette, SupCon, Triplet, WeightedSum

LABELS = torch.tensor([0, 1, 2, 1, 0, 2])


def rows(width, seed=0):
    return torch.randn(6, width, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def embeddings():
    return rows(4)


def hybrid():
    parts = {"ce": LinearCrossEntropy(3, 4), "con": SupCon(), "sil": SoftSilhouette()}
    return parts, WeightedSum(parts, {"sil": 0.5, "ce": 1.0, "con": 0.0})


def tapped():
    """A part on each tap; features are wider than embeddings, logits narrower."""
    parts = {"ce": CrossEntropy(), "con": SupCon(), "tri": Triplet(), "pa": ProxyAnchor(3, 4)}
    weights = {"ce": 1.0, "con": 0.5, "tri": 2.0, "pa": 0.25}
    return parts, WeightedSum(parts, weights, taps={"ce": "logits", "con": "features", "pa": "embeddings"})


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
        (["con"], {"con": math.inf}, "weight of con must be a finite number, found inf"),
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
    losses, weights, taps = {"con": SupCon()}, {"con": 1.0}, {"con": "embeddings"}
    loss = WeightedSum(losses, weights, taps)
    before = loss(embeddings(), LABELS)
    weights["con"] = 9.0
    losses["sil"] = SoftSilhouette()
    taps["con"] = "logits"
    torch.testing.assert_close(loss(embeddings(), LABELS), before, atol=0, rtol=0)


# taps


def test_each_part_reads_its_tap():
    parts, loss = tapped()
    embeddings, features, logits = rows(4, seed=1), rows(7, seed=2), rows(3, seed=3)
    value = loss(embeddings, LABELS, features=features, logits=logits)
    on_embeddings = 2 * parts["tri"](embeddings, LABELS) + 0.25 * parts["pa"](embeddings, LABELS)
    on_features, on_logits = 0.5 * parts["con"](features, LABELS), parts["ce"](logits, LABELS)
    torch.testing.assert_close(value, on_embeddings + on_features + on_logits)
    leaves = [embeddings, features, logits]
    expected = [
        torch.autograd.grad(part, leaf)[0]
        for part, leaf in zip([on_embeddings, on_features, on_logits], leaves, strict=True)
    ]
    torch.testing.assert_close(list(torch.autograd.grad(value, leaves)), expected)
    taps = {"ce": logits, "con": features, "tri": embeddings, "pa": embeddings}
    for name, part in loss.parts.items():
        torch.testing.assert_close(part, parts[name](taps[name], LABELS).detach(), atol=0, rtol=0)


def test_taps_that_nothing_reads_may_be_given():
    _, loss = hybrid()
    expected = loss(embeddings(), LABELS)
    value = loss(embeddings(), LABELS, features=rows(7), logits=rows(3))
    torch.testing.assert_close(value, expected, atol=0, rtol=0)


def test_embeddings_are_the_tap_where_none_is_named():
    parts, loss = hybrid()
    named = WeightedSum(parts, loss.weights, taps=dict.fromkeys(parts, "embeddings"))
    assert loss.taps == named.taps == dict.fromkeys(parts, "embeddings")
    torch.testing.assert_close(named(embeddings(), LABELS), loss(embeddings(), LABELS), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("given", "name", "tap"), [({"features": 7}, "ce", "logits"), ({"logits": 3}, "con", "features"), ({}, "ce", "log")]
)
def test_missing_tap(given, name, tap):
    _, loss = tapped()
    with pytest.raises(ValueError, match=f"^the loss '{name}' reads {tap}.*the call must give.*{tap}"):
        loss(embeddings(), LABELS, **{tap: rows(width) for tap, width in given.items()})


def test_a_failed_call_leaves_the_parts_of_the_one_before():
    _, loss = tapped()
    loss(embeddings(), LABELS, features=rows(7), logits=rows(3))
    before = dict(loss.parts)
    with pytest.raises(ValueError, match="logits"):
        loss(2 * embeddings(), LABELS, features=rows(7))
    assert loss.parts == before


@pytest.mark.parametrize(
    ("taps", "says"),
    [
        ({"con": "layer4"}, "the tap of con must be one of 'embeddings', 'features', 'logits', found 'layer4'"),
        ({"con": None}, "the tap of con must be one of 'embeddings', 'features', 'logits', found None"),
        ({"sil": "logits"}, r"taps must name some of the losses \['con'\], found \['sil'\]"),
    ],
)
def test_unknown_taps(taps, says):
    with pytest.raises(ValueError, match=says):
        WeightedSum({"con": SupCon()}, {"con": 1.0}, taps=taps)


def test_taps_by_position_are_refused():
    """features and logits are easily mistaken for one another."""
    _, loss = tapped()
    with pytest.raises(TypeError):
        loss(embeddings(), LABELS, rows(7), rows(3))


# weights


def test_weights_may_change_between_calls():
    parts, loss = hybrid()
    loss(embeddings(), LABELS)
    loss.weights["con"] = 2.0
    loss.weights["ce"] = 0.0
    expected = 2 * parts["con"](embeddings(), LABELS) + 0.5 * parts["sil"](embeddings(), LABELS)
    torch.testing.assert_close(loss(embeddings(), LABELS), expected)
    assert "con: 2" in repr(loss)


def test_a_weight_of_0_leaves_no_gradient_but_the_value_in_parts():
    parts = {"con": SupCon(), "pa": ProxyAnchor(3, 4)}
    loss = WeightedSum(parts, {"con": 1.0, "pa": 0.0})
    rows = embeddings()
    value = loss(rows, LABELS)
    torch.testing.assert_close(value, parts["con"](rows, LABELS))
    assert loss.parts["pa"] == parts["pa"](rows, LABELS)
    assert (torch.autograd.grad(value, parts["pa"].proxies)[0] == 0).all()


def test_options_of_a_part_may_change_between_calls():
    parts, loss = hybrid()
    before = loss(embeddings(), LABELS)
    parts["sil"].temperature = 0.5
    assert loss(embeddings(), LABELS) != before


def test_repr_tells_weights_and_taps():
    _, loss = tapped()
    assert "weights=ce: 1, con: 0.5, tri: 2, pa: 0.25; taps=ce: logits, con: features" in repr(loss)
    assert "taps" not in repr(hybrid()[1])


def test_copies_have_weights_of_their_own():
    _, loss = hybrid()
    other = copy.deepcopy(loss)
    other.weights["ce"] = 0.0
    with torch.no_grad():
        other.losses["ce"].bias.fill_(1.0)
    assert loss.weights["ce"] == 1.0
    assert (loss.losses["ce"].bias == 0).all()


def test_sums_in_a_sum():
    """A sum is a loss like any other, with the taps that are embeddings."""
    parts, inner = hybrid()
    outer = WeightedSum({"all": inner, "con": parts["con"]}, {"all": 2.0, "con": 1.0})
    expected = 2 * inner(embeddings(), LABELS) + parts["con"](embeddings(), LABELS)
    torch.testing.assert_close(outer(embeddings(), LABELS), expected)
