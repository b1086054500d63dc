"""What must hold for every batch: symmetries of each loss, and the range and the order of the soft silhouette."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dmlkit import losses

CLASSES = 4
CHECK = settings(deadline=None, derandomize=True, max_examples=20)

# name → loss over (embeddings, labels, proxies), one value a row
SPHERE = {
    "sup_con": lambda e, y, p: losses.sup_con(e, y, reduction="none"),
    "soft_silhouette, logsumexp": lambda e, y, p: losses.soft_silhouette(e, y, reduction="none"),
    "soft_silhouette, weighted_mean": lambda e, y, p: losses.soft_silhouette(
        e, y, soft_min="weighted_mean", reduction="none"
    ),
}
EUCLIDEAN = {
    "euclidean_softmax": lambda e, y, p: losses.euclidean_softmax(e, y, p, reduction="none"),
    # m = 1: otherwise the value jumps at r, and rounding may carry a distance across it.
    "warped_softmax": lambda e, y, p: losses.warped_softmax(
        e, y, p, alpha=0.5, beta=1.5, r=2.0, scale=2.0, reduction="none"
    ),
}
WITH_PROXIES = {
    "linear_cross_entropy": lambda e, y, p: losses.linear_cross_entropy(e, y, p, reduction="none"),
    "linear_cross_entropy, smoothed": lambda e, y, p: losses.linear_cross_entropy(
        e, y, p, label_smoothing=0.2, smoothing="others", reduction="none"
    ),
    **EUCLIDEAN,
}
ALL = {**SPHERE, **WITH_PROXIES}


@st.composite
def batches(draw):
    """(embeddings, labels, proxies): zero rows, equal rows, singletons and one-class batches all come up."""
    rows, dim = draw(st.integers(1, 9)), draw(st.integers(1, 4))

    def matrix(height):
        return torch.from_numpy(draw(arrays("float64", (height, dim), elements=st.floats(-4, 4, width=32))))

    labels = draw(arrays("int64", rows, elements=st.integers(0, CLASSES - 1)))
    return matrix(rows), torch.from_numpy(labels), matrix(CLASSES)


def rotation(dim, seed):
    square = torch.randn(dim, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(square).Q


def assert_same(value, expected):
    torch.testing.assert_close(value, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("loss", ALL.values(), ids=ALL)
@given(batch=batches(), random=st.randoms(use_true_random=False))
@CHECK
def test_order_of_the_rows(loss, batch, random):
    embeddings, labels, proxies = batch
    order = random.sample(range(len(labels)), len(labels))
    assert_same(loss(embeddings[order], labels[order], proxies), loss(embeddings, labels, proxies)[order])


@pytest.mark.parametrize("loss", ALL.values(), ids=ALL)
@given(batch=batches(), seed=st.integers(0, 99))
@CHECK
def test_rotation(loss, batch, seed):
    embeddings, labels, proxies = batch
    turn = rotation(embeddings.shape[1], seed)
    assert_same(loss(embeddings @ turn, labels, proxies @ turn), loss(embeddings, labels, proxies))


@pytest.mark.parametrize("loss", SPHERE.values(), ids=SPHERE)
@given(batch=batches(), names=st.lists(st.integers(-(2**62), 2**62), min_size=CLASSES, max_size=CLASSES, unique=True))
@CHECK
def test_names_of_the_classes(loss, batch, names):
    embeddings, labels, proxies = batch
    assert_same(loss(embeddings, torch.tensor(names)[labels], proxies), loss(embeddings, labels, proxies))


@pytest.mark.parametrize("loss", SPHERE.values(), ids=SPHERE)
@given(batch=batches(), data=st.data())
@CHECK
def test_length_of_each_row_on_the_sphere(loss, batch, data):
    embeddings, labels, proxies = batch
    factors = data.draw(st.lists(st.floats(1e-3, 1e3), min_size=len(labels), max_size=len(labels)))
    longer = embeddings * torch.tensor(factors, dtype=torch.float64).unsqueeze(1)
    assert_same(loss(longer, labels, proxies), loss(embeddings, labels, proxies))


@pytest.mark.parametrize("loss", EUCLIDEAN.values(), ids=EUCLIDEAN)
@given(batch=batches(), shift=st.lists(st.floats(-10, 10), min_size=4, max_size=4))
@CHECK
def test_translation_of_embeddings_and_proxies(loss, batch, shift):
    embeddings, labels, proxies = batch
    shift = torch.tensor(shift, dtype=torch.float64)[: embeddings.shape[1]]
    assert_same(loss(embeddings + shift, labels, proxies + shift), loss(embeddings, labels, proxies))


@given(batch=batches(), shift=st.floats(-100, 100))
@CHECK
def test_shift_of_all_logits(batch, shift):
    _, _, logits = batch
    labels = torch.arange(len(logits)) % logits.shape[1]
    value = losses.cross_entropy(logits, labels, label_smoothing=0.1, reduction="none")
    assert_same(losses.cross_entropy(logits + shift, labels, label_smoothing=0.1, reduction="none"), value)


@pytest.mark.parametrize("loss", WITH_PROXIES.values(), ids=WITH_PROXIES)
@given(batch=batches(), order=st.permutations(range(CLASSES)))
@CHECK
def test_order_of_the_classes(loss, batch, order):
    embeddings, labels, proxies = batch
    moved = torch.empty_like(proxies)
    moved[order] = proxies
    assert_same(loss(embeddings, torch.tensor(order)[labels], moved), loss(embeddings, labels, proxies))


@pytest.mark.parametrize("loss", WITH_PROXIES.values(), ids=WITH_PROXIES)
@given(batch=batches())
@CHECK
def test_rows_do_not_meet_where_proxies_stand_for_the_classes(loss, batch):
    embeddings, labels, proxies = batch
    alone = [loss(embeddings[i : i + 1], labels[i : i + 1], proxies) for i in range(len(labels))]
    assert_same(loss(embeddings, labels, proxies), torch.cat(alone))


@pytest.mark.parametrize("loss", ALL.values(), ids=ALL)
@given(batch=batches())
@CHECK
def test_cross_entropies_are_not_negative_and_everything_is_finite(loss, batch):
    values = loss(*batch)
    assert values.isfinite().all()
    assert (values >= -1e-12).all()


temperatures = st.floats(0.05, 2)


@given(batch=batches(), temperature=temperatures, nearest=temperatures)
@CHECK
def test_range_of_the_soft_silhouette_with_the_weighted_mean(batch, temperature, nearest):
    """L_i in [0, 2].

    a_i and b_i are then weighted means of distances, so they lie in [0, 2]; hence |b − a| ≤ max(a, b), and the soft
    maximum is never below the maximum. So |s̃_i| ≤ 1.
    """
    embeddings, labels, _ = batch
    options = {"temperature": temperature, "nearest_temperature": nearest, "soft_min": "weighted_mean"}
    values = losses.soft_silhouette(embeddings, labels, **options, reduction="none")
    assert (values >= -1e-9).all()
    assert (values <= 2 + 1e-9).all()


@given(batch=batches(), temperature=temperatures, nearest=temperatures)
@CHECK
def test_range_of_the_soft_silhouette_with_logsumexp(batch, temperature, nearest):
    """L_i in [0, 1 + max(2, x / log(1 + e⁻ˣ))] with x = τ_b log(C − 1) / τ and C the classes in the batch.

    From below: s̃ ≤ 1, since b − a ≤ b ≤ smax where b ≥ a, and b − a < 0 ≤ a ≤ smax otherwise.
    From above: b ≥ −τ_b log(C − 1) = −τx, and s̃ grows with b, so −s̃ ≤ (a + τx) / smax(a, −τx). With v = a/τ + x ≥ x
    this is v / (softplus(v) − x). Its derivative has the sign of H(σ(v)) − x, with H the entropy of a coin, and H(σ(v))
    falls with v. Either it is at most x from v = x on, and the largest value is that at v = x, the second term; or
    the largest is at the v with H(σ(v)) = x, and there it is v / (v σ(v)) = 1 + e⁻ᵛ ≤ 2.
    With two classes b is the distance itself, and the range is [0, 2] as for the weighted mean.
    """
    embeddings, labels, _ = batch
    foreign = len(labels.unique()) - 1
    x = nearest * math.log(max(foreign, 1)) / temperature
    most = max(2.0, x / math.log1p(math.exp(-x))) if foreign > 1 else 1.0
    options = {"temperature": temperature, "nearest_temperature": nearest, "soft_min": "logsumexp"}
    values = losses.soft_silhouette(embeddings, labels, **options, reduction="none")
    assert (values >= -1e-9).all()
    assert (values <= 1 + most * (1 + 1e-9)).all()


@given(batch=batches(), temperature=temperatures, nearest=temperatures)
@CHECK
def test_the_lower_soft_minimum_gives_the_larger_loss(batch, temperature, nearest):
    """−τ log Σ exp(−d/τ) ≤ min d ≤ Σ w d, and s̃ grows with b: its derivative has the sign of smax + ε − (b − a)·w_b,
    w_b < 1 the share of b in the soft maximum, which is at least max(a, b) ≥ b − a."""
    embeddings, labels, _ = batch
    options = {"temperature": temperature, "nearest_temperature": nearest, "reduction": "none"}
    low = losses.soft_silhouette(embeddings, labels, soft_min="logsumexp", **options)
    high = losses.soft_silhouette(embeddings, labels, soft_min="weighted_mean", **options)
    assert (low >= high - 1e-9).all()


@pytest.mark.parametrize("temperature", [0.05, 0.1])
def test_logsumexp_leaves_the_range_of_the_silhouette(temperature):
    """The bound above is reached: where everything collapses to one point, a = 0 and b = −τ_b log(C − 1)."""
    labels = torch.arange(5).repeat(2)
    embeddings = torch.tensor([[1.0, 0.0]], dtype=torch.float64).repeat(10, 1)
    x = 0.1 * math.log(4) / temperature
    values = losses.soft_silhouette(embeddings, labels, temperature=temperature, eps=0.0, reduction="none")
    torch.testing.assert_close(values, torch.full_like(values, 1 + x / math.log1p(math.exp(-x))))
    assert values.min() > 2
