"""Gradients of the baselines and of paper M's losses: those of the value where it is smooth, finite where it is not."""

import pytest
import torch

from dmlkit import losses

LABELS = torch.tensor([0, 1, 2, 1, 0, 2, 2, 0])
WITH_SINGLETONS = torch.tensor([0, 1, 2, 1, 0, 5, 4, 0])


def normal(seed, *size):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def over(weight_size, loss, **options):
    """A loss over LABELS and one parameter of the size."""
    return lambda e, w: loss(e, LABELS, w, **options, reduction="none"), [normal(0, 8, 3), normal(1, *weight_size)]


def pairs(loss, labels=LABELS, **options):
    return lambda e: loss(e, labels, **options, reduction="none"), [normal(0, 8, 3)]


MAGNITUDE = {"lower_norm": 1.0, "upper_norm": 2.0, "scale": 8.0}
HIST = [normal(seed, *size) for seed, size in enumerate([(8, 3), (3, 3), (3, 3), (4, 3), (4,), (3, 4), (3,)])]
PCE = [normal(0, 8, 3), normal(1, 3, 3), normal(2, 3)]
# The loss and its leaves. circle is not here: its gradient is not that of its value, by design.
CASES = {
    "norm_softmax": over((3, 3), losses.norm_softmax, temperature=0.2),
    "cos_face": over((3, 3), losses.cos_face, scale=8.0),
    "arc_face": over((3, 3), losses.arc_face, scale=8.0),
    "arc_face, past π − m": over((3, 3), losses.arc_face, margin=3.0, scale=2.0),
    "sphere_face": over((3, 3), losses.sphere_face),
    "sphere_face, margin 1.35": over((3, 3), losses.sphere_face, margin=1.35, scale=3.0),
    "mag_face": over((3, 3), losses.mag_face, **MAGNITUDE),
    "mag_face, below": over((3, 3), losses.mag_face, lower_norm=10.0, upper_norm=110.0, scale=8.0),
    "contrastive": pairs(losses.contrastive, margin=2.0),
    "triplet": pairs(losses.triplet, margin=0.5),
    "triplet, semi-hard": pairs(losses.triplet, margin=0.5, mining="semi-hard"),
    "triplet, hard": pairs(losses.triplet, margin=0.5, mining="hard"),
    "snca": pairs(losses.snca, temperature=0.2),
    "snca with singletons": pairs(losses.snca, WITH_SINGLETONS, temperature=0.2),
    "multi_similarity": pairs(losses.multi_similarity, beta=10.0),
    "multi_similarity, mining": pairs(losses.multi_similarity, WITH_SINGLETONS, beta=10.0, mining_margin=0.1),
    "lifted_structure": pairs(losses.lifted_structure),
    "center": over((3, 3), losses.center),
    "proxy_nca": over((3, 3), losses.proxy_nca),
    "proxy_nca, own left out": over((3, 3), losses.proxy_nca, own_in_denominator=False),
    "proxy_nca_plus_plus": over((3, 3), losses.proxy_nca_plus_plus),
    "proxy_anchor": over((5, 3), losses.proxy_anchor, alpha=8.0),
    "soft_triple": over((3, 2, 3), losses.soft_triple, regularization=0.3),
    "soft_triple_regularizer": (losses.soft_triple_regularizer, [normal(0, 3, 4, 5)]),
    "hist_distances": (losses.hist_distances, HIST[:3]),
    "hist_distribution": (
        lambda e, m, v: losses.hist_distribution(e, LABELS, m, v, temperature=0.3, reduction="none"),
        HIST[:3],
    ),
    "hist_incidence": (lambda d: losses.hist_incidence(d, LABELS), [normal(0, 8, 3) ** 2]),
    "hist": (lambda e, *p: losses.hist(e, LABELS, *p, temperature=0.3, reduction="none"), HIST),
    "pairwise_cross_entropy": (
        lambda e, w, b: losses.pairwise_cross_entropy(e, LABELS, w, b, reduction="none"),
        PCE,
    ),
    "pairwise_cross_entropy, λ given": (
        lambda e, w, b: losses.pairwise_cross_entropy(e, LABELS, w, b, lam=0.2, reduction="none"),
        PCE,
    ),
    "pairwise_cross_entropy_lambda": (losses.pairwise_cross_entropy_lambda, PCE),
    "simplified_pairwise_cross_entropy": pairs(losses.simplified_pairwise_cross_entropy),
    **{
        f"tightness of {name}": (lambda e, name=name, kw=kw: losses.tightness(name)(e, LABELS, **kw), [normal(0, 8, 3)])
        for name, kw in {
            "center": {},
            "contrastive": {},
            "contrastive_linear": {"margin": 2.0},
            "snca": {"temperature": 0.2},
            "multi_similarity": {},
            "pairwise_cross_entropy": {"lam": 0.2},
        }.items()
    },
    **{
        f"contrast of {name}": (lambda e, name=name, kw=kw: losses.contrast(name)(e, LABELS, **kw), [normal(0, 8, 3)])
        for name, kw in {
            "contrastive": {"margin": 2.0},
            "contrastive_linear": {"margin": 2.0},
            "snca": {"temperature": 0.2},
            "multi_similarity": {"beta": 10.0},
        }.items()
    },
    "contrast of center": (lambda e, w, b: losses.contrast("center")(e, LABELS, w, b), PCE),
    "contrast of pairwise_cross_entropy": (
        lambda e, w, b: losses.contrast("pairwise_cross_entropy")(e, LABELS, w, b, lam=0.2),
        PCE,
    ),
    "monotone_softmax": over(
        (3, 3), losses.monotone_softmax, f_own=lambda d: d**2, f_other=lambda d: (1 + d).log(), scale=2.0
    ),
}


@pytest.mark.parametrize(("loss", "leaves"), CASES.values(), ids=CASES)
def test_gradcheck(loss, leaves):
    assert torch.autograd.gradcheck(loss, [leaf.clone().requires_grad_() for leaf in leaves])


def test_the_weights_of_circle_have_no_gradient():
    """With them frozen at their values the loss is smooth; its derivative is circle's gradient, circle's own is not."""
    embeddings, margin, gamma = normal(3, 8, 3), 0.3, 5.0
    same = LABELS.unsqueeze(1) == LABELS
    others = ~torch.eye(8, dtype=torch.bool)

    def cosines(e):
        z = torch.nn.functional.normalize(e)
        return z @ z.T

    def frozen(e, at):
        positive = -gamma * (1 + margin - cosines(at)).relu() * (cosines(e) - (1 - margin))
        negative = gamma * (cosines(at) + margin).relu() * (cosines(e) - margin)
        inside = positive.masked_fill(~(same & others), -torch.inf).logsumexp(dim=1)
        inside = inside + negative.masked_fill(same, -torch.inf).logsumexp(dim=1)
        return torch.logaddexp(inside, torch.zeros_like(inside)).mean()

    leaf = embeddings.clone().requires_grad_()
    value = losses.circle(leaf, LABELS, margin=margin, gamma=gamma)
    (gradient,) = torch.autograd.grad(value, leaf)
    torch.testing.assert_close(value, frozen(leaf, embeddings))
    (expected,) = torch.autograd.grad(frozen(leaf, embeddings), leaf)
    torch.testing.assert_close(gradient, expected, atol=1e-10, rtol=1e-10)
    (of_the_value,) = torch.autograd.grad(frozen(leaf, leaf), leaf)
    assert (gradient - of_the_value).abs().max() > 1e-2


# Where a formula is singular: rows that coincide, and cosines of exactly 1 and −1.

PAIRS = {
    "contrastive": losses.contrastive,
    "triplet": losses.triplet,
    "triplet, semi-hard": lambda e, y: losses.triplet(e, y, mining="semi-hard"),
    "triplet, hard": lambda e, y: losses.triplet(e, y, mining="hard"),
    "snca": losses.snca,
    "multi_similarity": losses.multi_similarity,
    "multi_similarity, mining": lambda e, y: losses.multi_similarity(e, y, mining_margin=0.1),
    "circle": losses.circle,
    "lifted_structure": losses.lifted_structure,
    "simplified_pairwise_cross_entropy": losses.simplified_pairwise_cross_entropy,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("same_class", [True, False])
@pytest.mark.parametrize("loss", PAIRS.values(), ids=PAIRS)
def test_rows_that_coincide(loss, same_class, dtype):
    """A positive or a negative at distance 0: the distance has no slope there, the loss has a gradient all the same."""
    embeddings = normal(4, 8, 3).to(dtype)
    embeddings[4 if same_class else 1] = embeddings[0]
    embeddings.requires_grad_()
    value = loss(embeddings, LABELS)
    (gradient,) = torch.autograd.grad(value, embeddings)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert gradient.norm() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", PAIRS.values(), ids=PAIRS)
def test_one_point(loss, dtype):
    embeddings = torch.full((8, 3), 0.7, dtype=dtype, requires_grad=True)
    value = loss(embeddings, LABELS)
    (gradient,) = torch.autograd.grad(value, embeddings)
    assert value.isfinite()
    assert gradient.isfinite().all()


ANGLES = {
    "norm_softmax": losses.norm_softmax,
    "cos_face": losses.cos_face,
    "arc_face": losses.arc_face,
    "arc_face, margin 3": lambda *args: losses.arc_face(*args, margin=3.0, scale=4.0),
    "arc_face, margin 0": lambda *args: losses.arc_face(*args, margin=0.0, scale=4.0),
    "sphere_face": losses.sphere_face,
    "sphere_face, margin 1": lambda *args: losses.sphere_face(*args, margin=1.0),
    "mag_face": lambda *args: losses.mag_face(*args, **MAGNITUDE),
    "proxy_nca": losses.proxy_nca,
    "proxy_nca_plus_plus": losses.proxy_nca_plus_plus,
    "proxy_anchor": losses.proxy_anchor,
    "soft_triple": lambda e, y, w: losses.soft_triple(e, y, torch.stack([w, -w], dim=1)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("loss", ANGLES.values(), ids=ANGLES)
def test_embedding_along_its_class_weight(loss, sign, dtype):
    """Angle 0 or π, where acos has no slope."""
    weight = torch.tensor([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 1.0, 1.0]], dtype=dtype, requires_grad=True)
    embeddings = (1.5 * sign * weight.detach()[LABELS]).requires_grad_()
    value = loss(embeddings, LABELS, weight)
    gradients = torch.autograd.grad(value, [embeddings, weight])
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("loss", ANGLES.values(), ids=ANGLES)
def test_zero_rows(loss):
    """A row or a weight without a direction: finite, and a zero row of the embeddings is not pulled anywhere."""
    embeddings, weight = normal(5, 8, 3), normal(6, 3, 3)
    embeddings[[1, 6]] = 0
    weight[2] = 0
    embeddings.requires_grad_(), weight.requires_grad_()
    value = loss(embeddings, LABELS, weight)
    gradients = torch.autograd.grad(value, [embeddings, weight])
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert (gradients[0][[1, 6]] == 0).all()
    assert (gradients[0][[0, 3, 4]].norm(dim=1) > 0).all()


def test_centers_that_coincide():
    """√(2 − 2 cos) has no slope at 0."""
    centers = normal(7, 3, 4, 5)
    centers[1, 2] = 2 * centers[1, 0]
    centers[2] = centers[2, :1]
    centers.requires_grad_()
    value = losses.soft_triple_regularizer(centers)
    (gradient,) = torch.autograd.grad(value, centers)
    assert value > 0
    assert gradient.isfinite().all()
    # Three of its pairs repeat the first class of them; the centers of the other class only coincide.
    assert (gradient[0].norm(dim=1) > 0).all()
    assert gradient[2].norm() < 1e-6
