"""Value and gradient of paper M's losses against the loop-written transcriptions of its equations and its table 2."""

import oracles_mutual_information as oracles
import pytest
import torch
from comparisons import DEGENERATE, LABELS, REDUCTIONS, assert_same, draw

from dmlkit import losses

# More rows than dimensions, or λ is 0; the last leaves classes of the softmax out of the batch.
BATCHES = {
    "two classes": (6, 2, 2, 0, [0, 1, 1, 0, 1, 0]),
    "unbalanced": (9, 3, 3, 1, [0, 1, 2, 2, 2, 1, 0, 2, 2]),
    "absent classes": (8, 2, 5, 2, [1, 3, 3, 1, 1, 3, 0, 1]),
}


def batch_of(rows, dim, classes, seed, labels):
    embeddings, _, weight, bias = draw(rows, dim, classes, seed)
    return embeddings, torch.tensor(labels), weight, bias


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("lam", [None, 0.05, 1.0])
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_pairwise_cross_entropy(batch, lam, with_bias, reduction):
    embeddings, labels, weight, bias = batch_of(*batch)
    assert_same(
        lambda e, w, b=None, *, reduction: losses.pairwise_cross_entropy(e, labels, w, b, lam=lam, reduction=reduction),
        lambda e, w, b=None: oracles.pairwise_cross_entropy(e, labels, w, b, lam=lam),
        [embeddings, weight, bias] if with_bias else [embeddings, weight],
        reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("lam", [0.05, 1.0])
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_fitted_pairwise_cross_entropy(batch, lam, with_bias, reduction):
    embeddings, labels, weight, bias = batch_of(*batch)
    assert_same(
        lambda e, w, b=None, *, reduction: losses.fitted_pairwise_cross_entropy(
            e, labels, w, b, lam=lam, reduction=reduction
        ),
        lambda e, w, b=None: oracles.fitted_pairwise_cross_entropy(e, labels, w, b, lam=lam),
        [embeddings, weight, bias] if with_bias else [embeddings, weight],
        reduction,
    )


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_lambda(batch, with_bias):
    embeddings, _, weight, bias = batch_of(*batch)
    assert_same(
        lambda *leaves, reduction: losses.pairwise_cross_entropy_lambda(*leaves),
        lambda *leaves: [oracles.pairwise_cross_entropy_lambda(*leaves)],
        [embeddings, weight, bias] if with_bias else [embeddings, weight],
        "sum",
    )


def test_lambda_in_two_dimensions_is_the_smaller_root_of_a_quadratic():
    embeddings, weight = draw(7, 2, 3, 4)[::2]
    p = (embeddings @ weight.T).softmax(dim=1)
    roots = []
    for k in range(3):
        a, b, c = ((p[:, k] - p[:, k] ** 2) @ (embeddings[:, [0, 0, 1]] * embeddings[:, [0, 1, 1]]) / 7).tolist()
        roots.append((a + c) / 2 - (((a - c) / 2) ** 2 + b**2) ** 0.5)
    assert losses.pairwise_cross_entropy_lambda(embeddings, weight).item() == pytest.approx(min(roots), abs=1e-12)


@pytest.mark.parametrize("embeddings", [draw(2, 3, 1, 0)[0], draw(5, 1, 1, 0)[0] * torch.ones(1, 3)])
def test_rows_that_do_not_span_the_space_have_no_lambda(embeddings):
    """The smallest eigenvalue is 0 up to rounding: the paper's λ > 0 does not exist, and one has to be given."""
    labels, weight = torch.arange(len(embeddings)) % 2, draw(1, 3, 2, 1)[2]
    with pytest.raises(ValueError, match="lam"):
        losses.pairwise_cross_entropy(embeddings, labels, weight)
    assert losses.pairwise_cross_entropy(embeddings, labels, weight, lam=0.1).isfinite()


@pytest.mark.parametrize("lam", [0.0, -0.1])
def test_lambda_must_be_positive(lam):
    embeddings, labels, weight, _ = batch_of(*BATCHES["two classes"])
    with pytest.raises(ValueError, match="lam"):
        losses.pairwise_cross_entropy(embeddings, labels, weight, lam=lam)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("labels", [*LABELS.values(), *DEGENERATE.values()], ids=[*LABELS, *DEGENERATE])
@pytest.mark.parametrize(("dim", "seed", "length"), [(2, 0, 1.0), (5, 1, 1.0), (3, 2, 4.0)])
def test_simplified_pairwise_cross_entropy(dim, seed, length, labels, reduction):
    embeddings, labels = length * draw(len(labels), dim, 1, seed)[0], torch.tensor(labels)
    assert_same(
        lambda e, reduction: losses.simplified_pairwise_cross_entropy(e, labels, reduction=reduction),
        lambda e: oracles.simplified_pairwise_cross_entropy(e, labels),
        [embeddings],
        reduction,
    )


# half, loss → keywords that are not the defaults
HALVES = [
    ("tightness", "center", {}),
    ("contrast", "center", {}),
    ("tightness", "contrastive", {}),
    ("contrast", "contrastive", {"margin": 2.0}),
    ("contrast", "contrastive", {"margin": 0.3}),
    ("tightness", "snca", {"temperature": 0.2}),
    ("contrast", "snca", {"temperature": 0.2}),
    ("tightness", "multi_similarity", {"alpha": 5.0, "margin": 0.2}),
    ("contrast", "multi_similarity", {"beta": 10.0, "margin": 0.2}),
    ("tightness", "pairwise_cross_entropy", {"lam": 0.3}),
    ("contrast", "pairwise_cross_entropy", {"lam": 0.3}),
]
WITH_WEIGHT = [("contrast", "center"), ("contrast", "pairwise_cross_entropy")]


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(("half", "loss", "options"), HALVES)
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_halves(batch, half, loss, options, by_name):
    embeddings, labels, weight, bias = batch_of(*batch)
    function = getattr(losses, half)(loss if by_name else getattr(losses, loss))
    oracle = getattr(oracles, f"{half}_{loss}")
    leaves = [embeddings, weight, bias] if (half, loss) in WITH_WEIGHT else [embeddings]
    assert_same(
        lambda e, *p, reduction: function(e, labels, *p, **options),
        lambda e, *p: [oracle(e, labels, *p, **options)],
        leaves,
        "sum",
    )


@pytest.mark.parametrize(("half", "loss"), WITH_WEIGHT)
def test_halves_without_a_bias(half, loss):
    embeddings, labels, weight, bias = batch_of(*BATCHES["unbalanced"])
    function = getattr(losses, half)(loss)
    options = {"lam": 0.2} if loss == "pairwise_cross_entropy" else {}
    torch.testing.assert_close(
        function(embeddings, labels, weight, **options), function(embeddings, labels, weight, 0 * bias, **options)
    )


DEFAULTS = [
    ("contrast", "contrastive", {"margin": 1.0}),
    ("tightness", "snca", {"temperature": 0.05}),
    ("contrast", "snca", {"temperature": 0.05}),
    ("tightness", "multi_similarity", {"alpha": 2.0, "margin": 0.5}),
    ("contrast", "multi_similarity", {"beta": 50.0, "margin": 0.5}),
]


@pytest.mark.parametrize(("half", "loss", "options"), DEFAULTS)
def test_defaults_of_halves(half, loss, options):
    embeddings, labels, _, _ = batch_of(*BATCHES["unbalanced"])
    expected = getattr(oracles, f"{half}_{loss}")(embeddings, labels, **options)
    torch.testing.assert_close(getattr(losses, half)(loss)(embeddings, labels), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(
    ("half", "loss", "options"), [row for row in HALVES if row[1] != "center" and row[:2] not in WITH_WEIGHT]
)
def test_halves_take_any_labels(half, loss, options, labels):
    embeddings, labels = draw(len(labels), 3, 1, 3)[0], torch.tensor(labels)
    assert_same(
        lambda e, reduction: getattr(losses, half)(loss)(e, labels, **options),
        lambda e: [getattr(oracles, f"{half}_{loss}")(e, labels, **options)],
        [embeddings],
        "sum",
    )


@pytest.mark.parametrize("margin", [0.0, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("half", ["tightness", "contrast"])
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_halves_of_the_linear_contrastive_loss(batch, half, margin):
    """M 7; no loss function has this name, so it goes by its name alone."""
    embeddings, labels, _, _ = batch_of(*batch)
    oracle = getattr(oracles, f"{half}_contrastive_linear")
    function = getattr(losses, half)("contrastive_linear")
    assert_same(
        lambda e, reduction: function(e, labels, margin=margin),
        lambda e: [oracle(e, labels, margin=margin)],
        [embeddings],
        "sum",
    )
    torch.testing.assert_close(function(embeddings, labels), function(embeddings, labels, margin=1.0))


@pytest.mark.parametrize("half", ["tightness", "contrast"])
@pytest.mark.parametrize("loss", ["triplet", "no such loss", losses.sup_con])
def test_losses_outside_the_table_have_no_halves(loss, half):
    with pytest.raises(ValueError):
        getattr(losses, half)(loss)
