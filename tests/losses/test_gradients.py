"""Gradients: right where the loss is smooth, by design where it stops them, finite where a formula is singular."""

import pytest
import torch

from dmlkit import losses

LABELS = torch.tensor([0, 1, 2, 1, 0, 2, 2, 0])


def draw(seed, rows=8, dim=3):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SPHERE = {
    "sup_con": lambda e, labels, **kw: losses.sup_con(e, labels, temperature=0.2, **kw),
    "soft_silhouette, logsumexp": lambda e, labels, **kw: losses.soft_silhouette(e, labels, **kw),
    "soft_silhouette, weighted_mean": lambda e, labels, **kw: losses.soft_silhouette(
        e, labels, soft_min="weighted_mean", **kw
    ),
}
SMOOTH = {
    "cross_entropy": lambda e, p: losses.cross_entropy(e, LABELS, reduction="none"),
    "cross_entropy, smoothing all": lambda e, p: losses.cross_entropy(e, LABELS, label_smoothing=0.1, reduction="none"),
    "cross_entropy, smoothing others": lambda e, p: losses.cross_entropy(
        e, LABELS, label_smoothing=0.1, smoothing="others", reduction="none"
    ),
    "linear_cross_entropy": lambda e, p: losses.linear_cross_entropy(e, LABELS, p, p[:, 0], reduction="none"),
    **{name: lambda e, p, loss=loss: loss(e, LABELS, reduction="none") for name, loss in SPHERE.items()},
    "sup_con with a singleton": lambda e, p: losses.sup_con(e[:5], LABELS[:5], reduction="none"),
    "soft_silhouette with a singleton": lambda e, p: losses.soft_silhouette(e[:5], LABELS[:5], reduction="none"),
    "euclidean_softmax": lambda e, p: losses.euclidean_softmax(e, LABELS, p, scale=2.0, reduction="none"),
    # γ is a constant 0 for α = 1, so the gradient is that of the value, kink and all.
    "warped_softmax, alpha 1": lambda e, p: losses.warped_softmax(
        e, LABELS, p, alpha=1.0, beta=1.5, r=2.0, margin=1.3, reduction="none"
    ),
    # Every embedding lies outside r = 0, where nothing is stopped.
    "warped_softmax, all outside": lambda e, p: losses.warped_softmax(
        e, LABELS, p, alpha=0.3, beta=1.5, r=0.0, reduction="none"
    ),
}


@pytest.mark.parametrize("loss", SMOOTH.values(), ids=SMOOTH)
def test_gradcheck(loss):
    assert torch.autograd.gradcheck(loss, [draw(0).requires_grad_(), draw(1, rows=3).requires_grad_()])


WARPS = [
    {"alpha": 0.5, "beta": 1.5, "margin": 1.0, "scale": 1.0},
    {"alpha": 0.93, "beta": 1.15, "margin": 1.3, "scale": 4.525},
    {"alpha": 0.0, "beta": 2.0, "margin": 1.0, "scale": 0.5},
]


def inside_and_outside():
    """Embeddings, proxies, and an r that has embeddings on both of its sides."""
    embeddings, proxies = draw(2), draw(3, rows=3)
    own = (embeddings - proxies[LABELS]).norm(dim=1)
    r = (own.sort().values[3:5].sum() / 2).item()
    assert (own < r).sum() == (own > r).sum() == 4
    return embeddings, proxies, r


@pytest.mark.parametrize("options", WARPS)
def test_warped_gradient_is_assembled_from_unit_vectors(options):
    """∂L/∂d_y = Tα(1 − p_y) below r and Tβ(1 − p_y) above, ∂L/∂d_j = −T p_j, p the softmax of the forward values."""
    embeddings, proxies, r = inside_and_outside()
    scale, margin = options["scale"], options["margin"]
    expected_e, expected_p = torch.zeros_like(embeddings), torch.zeros_like(proxies)
    for i, y in enumerate(LABELS.tolist()):
        away = embeddings[i] - proxies  # from each proxy to the embedding
        d = away.norm(dim=1)
        forward, slope = d.clone(), None
        if d[y] < r:
            slope = options["alpha"]
            forward[y] = slope * d[y] + margin * (1 - slope) * d[y]
        else:
            slope = options["beta"]
            forward[y] = slope * d[y] + r * (1 - slope)
        p = (-scale * forward).softmax(dim=0)
        by_distance = -scale * p
        by_distance[y] = scale * slope * (1 - p[y])
        pull = by_distance.unsqueeze(1) * away / d.unsqueeze(1)
        expected_e[i] += pull.sum(dim=0)
        expected_p -= pull

    leaves = [embeddings.requires_grad_(), proxies.requires_grad_()]
    value = losses.warped_softmax(embeddings, LABELS, proxies, r=r, **options, reduction="sum")
    gradient_e, gradient_p = torch.autograd.grad(value, leaves)
    torch.testing.assert_close(gradient_e, expected_e, atol=1e-10, rtol=0)
    torch.testing.assert_close(gradient_p, expected_p, atol=1e-10, rtol=0)


@pytest.mark.parametrize("options", WARPS)
def test_warped_gradient_is_not_the_slope_of_the_value_below_r(options):
    """The value below r rises by α + m(1 − α) a unit of distance, the gradient by α: the difference is γ, stopped."""
    embeddings, proxies, r = inside_and_outside()

    def loss(e):
        return losses.warped_softmax(e, LABELS, proxies, r=r, **options, reduction="none")

    # A step along own proxy → embedding changes the other distances too, but those terms are the same on both sides.
    away = embeddings - proxies[LABELS]
    own = away.norm(dim=1)
    direction, step = away / own.unsqueeze(1), 1e-6
    slope_of_value = (loss(embeddings + step * direction) - loss(embeddings - step * direction)) / (2 * step)
    leaf = embeddings.clone().requires_grad_()
    slope_of_training = (torch.autograd.grad(loss(leaf).sum(), leaf)[0] * direction).sum(dim=1)

    stopped = options["scale"] * options["margin"] * (1 - options["alpha"]) * -torch.expm1(-loss(embeddings))
    inside = own < r
    difference = slope_of_value - slope_of_training
    torch.testing.assert_close(difference[inside], stopped[inside], atol=1e-7, rtol=0)
    torch.testing.assert_close(difference[~inside], torch.zeros(4, dtype=torch.float64), atol=1e-7, rtol=0)
    assert (stopped[inside] > 1e-3).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", SPHERE.values(), ids=SPHERE)
def test_zero_rows_on_the_sphere(loss, dtype):
    """A zero row has no direction: it takes part in the value as the origin, and nothing pulls it."""
    embeddings = draw(4).to(dtype)
    embeddings[[1, 6]] = 0
    embeddings.requires_grad_()
    value = loss(embeddings, LABELS)
    (gradient,) = torch.autograd.grad(value, embeddings)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert (gradient[[1, 6]] == 0).all()
    assert (gradient[[0, 2, 3, 4, 5, 7]].norm(dim=1) > 0).all()


@pytest.mark.parametrize("loss", SPHERE.values(), ids=SPHERE)
def test_all_rows_zero(loss):
    embeddings = torch.zeros(8, 3, requires_grad=True)
    value = loss(embeddings, LABELS)
    (gradient,) = torch.autograd.grad(value, embeddings)
    assert value.isfinite()
    assert (gradient == 0).all()


@pytest.mark.parametrize("factors", [(1e-30,), (1e30,), (1e-30, 1.0, 1e30)])
@pytest.mark.parametrize("loss", SPHERE.values(), ids=SPHERE)
def test_tiny_and_huge_rows_on_the_sphere(loss, factors):
    """Squares of such numbers leave float32; the loss of the direction must not notice."""
    embeddings = draw(5).float()
    sizes = torch.tensor([factors[i % len(factors)] for i in range(len(embeddings))]).unsqueeze(1)
    scaled = (embeddings * sizes).requires_grad_()
    value = loss(scaled, LABELS)
    torch.testing.assert_close(value, loss(embeddings, LABELS), atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(value, scaled)
    assert gradient.isfinite().all()


PROXY_LOSSES = {
    "euclidean_softmax": losses.euclidean_softmax,
    "warped_softmax, below r": lambda *args: losses.warped_softmax(*args, alpha=0.5, beta=1.5, r=1.0),
    "warped_softmax, r = 0": lambda *args: losses.warped_softmax(*args, alpha=0.5, beta=1.5, r=0.0),
    "warped_softmax, r = inf": lambda *args: losses.warped_softmax(*args, alpha=0.5, beta=1.0, r=float("inf")),
}


@pytest.mark.parametrize("loss", PROXY_LOSSES.values(), ids=PROXY_LOSSES)
def test_embedding_on_its_proxy(loss):
    """The distance has a kink there; its gradient is taken as 0, which leaves the pull of the other proxies."""
    proxies = torch.tensor([[0.0, 0.0], [3.0, 0.0]], dtype=torch.float64, requires_grad=True)
    embeddings = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    value = loss(embeddings, torch.tensor([0]), proxies)
    gradient_e, gradient_p = torch.autograd.grad(value, [embeddings, proxies])
    p = -torch.expm1(-value.detach())  # of the other class
    torch.testing.assert_close(gradient_e, p * torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(gradient_p, p * torch.tensor([[0.0, 0.0], [-1.0, 0.0]], dtype=torch.float64))


@pytest.mark.parametrize("loss", PROXY_LOSSES.values(), ids=PROXY_LOSSES)
def test_embedding_on_another_proxy(loss):
    proxies = torch.tensor([[0.0, 0.0], [3.0, 0.0]], requires_grad=True)
    embeddings = torch.tensor([[3.0, 0.0]], requires_grad=True)
    value = loss(embeddings, torch.tensor([0]), proxies)
    gradients = torch.autograd.grad(value, [embeddings, proxies])
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)
