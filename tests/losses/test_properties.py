"""What must hold for every batch: symmetries of each loss, signs and ranges, and how values become one.

Each loss gets at least CASES generated cases, a batch and a property each: 4 to 8 properties, 250 to 125 batches for
each of them, and each property draws its own (`test_property` and `test_enough_cases` count them).
"""

import math
from typing import NamedTuple

import pytest
import torch
from cases import ALL
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from dmlkit import losses

CASES = 1000  # generated cases a loss
CLASSES = 4
CHECK = settings(deadline=None, derandomize=True, database=None)


class Drawn(NamedTuple):
    """A batch, told by a few numbers: drawing these is cheap, and they are what a failure prints."""

    rows: int
    dim: int
    kind: str
    layout: str
    seed: int


KINDS = ("ordinary", "zero", "duplicate", "opposite", "tiny", "huge", "all of them")
LAYOUTS = ("balanced", "singletons", "one class", "two classes", "random")
drawn = st.builds(
    Drawn,
    st.integers(1, 9),
    st.integers(1, 4),
    st.sampled_from(KINDS),
    st.sampled_from(LAYOUTS),
    st.integers(0, 2**32),
)


class Batch(NamedTuple):
    embeddings: torch.Tensor
    labels: torch.Tensor
    parameters: dict[str, torch.Tensor]
    generator: torch.Generator  # for what a property draws itself

    def __call__(self, loss, reduction="none", **others):
        """The loss of this batch, one value a row where it has such values."""
        options = {} if loss.has("total") else {"reduction": reduction}
        return loss(self.embeddings, self.labels, **{**self.parameters, **options, **others})


def batch_of(loss, drawn, size=1e2, plain=False):
    """Rows of all kinds in one batch; every other row is of the kind drawn.

    Args:
        loss: what the batch is for.
        drawn: what the batch is.
        size: of a huge row, and of a tiny one its inverse.
        plain: ordinary rows only.
    """
    generator = torch.Generator().manual_seed(drawn.seed)
    rows, dim = drawn.rows, CLASSES if loss.first == "logits" else drawn.dim
    if loss.function is losses.contrast("snca"):
        rows += 1  # the sum over the other rows needs one
    if loss.has("spans"):
        rows = 4 * dim + rows
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    if drawn.kind != "ordinary" and not plain and not loss.has("spans"):
        kinds = torch.randint(2 * len(KINDS), (rows,), generator=generator)
        for number, kind in enumerate(KINDS):
            chosen = kinds % 2 == 0 if kind == drawn.kind else kinds == number
            if kind == "zero":
                change = 0.0
            elif kind in ("duplicate", "opposite"):
                change = embeddings[0] * (1 if kind == "duplicate" else -1)
            elif kind in ("tiny", "huge"):
                change = embeddings[chosen] * (size if kind == "huge" else 1 / size)
            else:
                continue
            if kind == drawn.kind or drawn.kind == "all of them":
                embeddings[chosen] = change
    labels = {
        "balanced": lambda: torch.arange(rows) % 3,
        "singletons": lambda: torch.arange(rows) % (rows if loss.has("free") else CLASSES),
        "one class": lambda: torch.full((rows,), 2),
        "two classes": lambda: 3 * torch.randint(2, (rows,), generator=generator),
        "random": lambda: torch.randint(CLASSES, (rows,), generator=generator),
    }[drawn.layout]()
    return Batch(embeddings, labels, loss.draw(CLASSES, dim, generator, torch.float64), generator)


def assert_same(value, expected):
    # allclose first: it is several times faster, and there are tens of thousands of calls.
    if value.shape != expected.shape or not torch.allclose(value, expected, atol=1e-9, rtol=1e-9):
        torch.testing.assert_close(value, expected, atol=1e-9, rtol=1e-9)


def count_of_values(loss, batch):
    return CLASSES if loss.function is losses.proxy_anchor else len(batch.labels)


# the properties: a function of (loss, drawn) for each; with the words of `Case.tags` that it needs and bars
PROPERTIES = {}


def holds_for(needs="", unless=""):
    def keep(check):
        PROPERTIES[check.__name__] = (
            check,
            lambda loss: all(map(loss.has, needs.split())) and not any(map(loss.has, unless.split())),
        )
        return check

    return keep


@holds_for()
def finite_and_of_the_right_sign(loss, drawn):
    batch = batch_of(loss, drawn, size=1e10)
    leaves = [leaf.requires_grad_() for leaf in (batch.embeddings, *batch.parameters.values())]
    value = batch(loss)
    if not loss.has("total"):
        assert value.shape == (count_of_values(loss, batch),)
    assert value.isfinite().all()
    if loss.has("positive"):
        # Rounding: in terms of the largest numbers that were subtracted from one another.
        assert (value >= -1e-13 * (1 + batch.embeddings.abs().max() + value.abs().max())).all()
    for gradient in torch.autograd.grad(value.sum(), leaves):
        assert gradient.isfinite().all()


@holds_for()
def order_of_the_rows(loss, drawn):
    batch = batch_of(loss, drawn)
    order = torch.randperm(len(batch.labels), generator=batch.generator)
    moved = batch._replace(embeddings=batch.embeddings[order], labels=batch.labels[order])
    expected = batch(loss)
    rowwise = not loss.has("total") and loss.function is not losses.proxy_anchor
    assert_same(moved(loss), expected[order] if rowwise else expected)


@holds_for("free")
def names_of_the_classes(loss, drawn):
    batch = batch_of(loss, drawn)
    # Far apart, negative and next to one another; always different.
    names = torch.randint(-(2**62), 2**62, (10,), generator=batch.generator)
    names[:5] = names[5:] + 1
    assert_same(batch._replace(labels=names[batch.labels])(loss), batch(loss))


@holds_for(unless="free")
def order_of_the_classes(loss, drawn):
    batch = batch_of(loss, drawn)
    order = torch.randperm(CLASSES, generator=batch.generator)
    place = order.argsort()
    parameters = {
        name: value[order] if loss.parameters[name].startswith("C") else value
        for name, value in batch.parameters.items()
    }
    moved = batch._replace(labels=place[batch.labels], parameters=parameters)
    if loss.first == "logits":
        moved = moved._replace(embeddings=batch.embeddings[:, order])
    expected = batch(loss)
    assert_same(moved(loss), expected[order] if loss.function is losses.proxy_anchor else expected)


@holds_for("turns")
def rotation(loss, drawn):
    batch = batch_of(loss, drawn, plain=loss.has("jumps"))
    dim = batch.embeddings.shape[1]
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=batch.generator, dtype=torch.float64)).Q
    parameters = {
        name: value @ turn if loss.parameters[name].endswith("d") else value for name, value in batch.parameters.items()
    }
    assert_same(batch._replace(embeddings=batch.embeddings @ turn, parameters=parameters)(loss), batch(loss))


@holds_for("sphere")
def length_of_each_row(loss, drawn):
    batch = batch_of(loss, drawn)
    exponents = 200 * torch.rand(len(batch.labels), 1, generator=batch.generator, dtype=torch.float64) - 100
    assert_same(batch._replace(embeddings=batch.embeddings * 10**exponents)(loss), batch(loss))


@holds_for("moves")
def translation(loss, drawn):
    batch = batch_of(loss, drawn, plain=loss.has("jumps"))
    shift = 10 * torch.randn(batch.embeddings.shape[1], generator=batch.generator, dtype=torch.float64)
    parameters = {name: value + shift for name, value in batch.parameters.items()}
    assert_same(batch._replace(embeddings=batch.embeddings + shift, parameters=parameters)(loss), batch(loss))


@holds_for("alone")
def rows_do_not_meet(loss, drawn):
    batch = batch_of(loss, drawn)
    i = int(torch.randint(len(batch.labels), (1,), generator=batch.generator))
    alone = batch._replace(embeddings=batch.embeddings[i : i + 1], labels=batch.labels[i : i + 1])
    assert_same(alone(loss), batch(loss)[i : i + 1])


@holds_for(unless="total")
def reductions_agree(loss, drawn):
    batch = batch_of(loss, drawn, plain=loss.has("jumps"))
    values = batch(loss)
    count = CLASSES if loss.function is losses.proxy_anchor else loss.counted(batch.embeddings, batch.labels)
    assert_same(batch(loss, "sum"), values.sum())
    assert_same(batch(loss, "mean"), values.sum() / max(count, 1))


# Options with which no value can be larger.
LESS = {
    "cos_face": [{"margin": 0.2}, {"margin": 0.0}],
    "arc_face": [{"margin": 0.0}],
    "sphere_face": [{"margin": 1.0}],
    "mag_face": [{"lower_margin": 0.0, "upper_margin": 0.0}, {"regularization": 1.0}],
    "contrastive": [{"margin": 0.5}],
    "contrast of contrastive": [{"margin": 0.5}],
    "triplet": [{"mining": "semi-hard"}, {"mining": "hard"}, {"margin": 0.1}],
    "multi_similarity": [{"mining_margin": 0.1}],
    "multi_similarity, mined": [{"mining_margin": 0.05}],
    "lifted_structure": [{"margin": 0.5}],
    "proxy_nca": [{"own_in_denominator": False}],
    "proxy_anchor": [{"margin": 0.0}],
    "soft_triple": [{"margin": 0.0}],
    "soft_triple, regularised": [{"regularization": 0.1}],
    "hist": [{"hypergraph_weight": 0.5}, {"hypergraph_weight": 0.0}],
    "warped_softmax": [{"margin": 0.5}],
    "tightness of multi_similarity": [{"margin": 0.2}],
    "contrast of multi_similarity": [{"margin": 0.8}],
}
NAMES = {id(loss): name for name, loss in ALL.items()}


def monotone_in_its_options(loss, drawn):
    batch = batch_of(loss, drawn, size=1.0)
    values = batch(loss)
    for options in LESS[NAMES[id(loss)]]:
        assert (batch(loss, **options) <= values + 1e-12 * (1 + values.abs())).all()


PROPERTIES["monotone_in_its_options"] = (monotone_in_its_options, lambda loss: NAMES[id(loss)] in LESS)


def properties_of(name):
    return [property for property, (_, holds) in PROPERTIES.items() if holds(ALL[name])]


def share(name):
    """How many batches each property of a loss draws."""
    return -(-CASES // len(properties_of(name)))


@pytest.mark.parametrize(("name", "property"), [(name, property) for name in ALL for property in properties_of(name)])
def test_property(name, property):
    ran = set()

    def check(drawn):
        ran.add(drawn)
        PROPERTIES[property][0](ALL[name], drawn)

    # Where the draws start, from the name: the same in every run, and batches of its own for each test.
    start = seed(int.from_bytes(f"{name} {property}".encode()))
    start(settings(CHECK, max_examples=share(name), derandomize=False)(given(drawn)(check)))()
    assert len(ran) >= 0.97 * share(name)  # of different batches


@pytest.mark.parametrize("name", ALL)
def test_enough_cases(name):
    assert len(properties_of(name)) * share(name) >= CASES
    assert len(properties_of(name)) >= 4


# what is no loss of (embeddings, labels)


def given_batches(examples):
    def decorate(test):
        return settings(CHECK, max_examples=examples)(given(drawn)(test))

    return decorate


@given_batches(200)
def test_shift_of_all_logits(drawn):
    batch = batch_of(ALL["cross_entropy, smoothed"], drawn)
    shift = 100 * torch.randn((), generator=batch.generator, dtype=torch.float64)
    moved = batch._replace(embeddings=batch.embeddings + shift)
    assert_same(moved(ALL["cross_entropy, smoothed"]), batch(ALL["cross_entropy, smoothed"]))


@given_batches(200)
def test_distances_to_distributions_and_incidence(drawn):
    """Unit vectors are at most 2 apart and no variance is below 1; a row is wholly in its own hyperedge."""
    batch = batch_of(ALL["hist"], drawn)
    means, log_variances = batch.parameters["means"], batch.parameters["log_variances"]
    distances = losses.hist_distances(batch.embeddings, means, log_variances)
    assert distances.shape == (len(batch.labels), CLASSES)
    assert (distances >= -1e-12).all()
    assert (distances <= 4 + 1e-12).all()
    incidence = losses.hist_incidence(distances, batch.labels)
    classes = batch.labels.unique()
    own = batch.labels.unsqueeze(1) == classes
    assert incidence.shape == own.shape
    assert (incidence[own] == 1).all()
    assert (incidence > 0).all()
    assert_same(incidence[~own], (-0.9 * distances[:, classes][~own]).exp())


@given_batches(200)
def test_regularizer_of_soft_triple(drawn):
    """A mean over classes of half the mean distance between two unit vectors: in [0, 1], 0 where they coincide."""
    generator = torch.Generator().manual_seed(drawn.seed)
    centers = torch.randn(drawn.rows, 3, drawn.dim, generator=generator, dtype=torch.float64)
    value = losses.soft_triple_regularizer(centers)
    assert 0 <= value <= 1
    lengths = 10 ** (6 * torch.rand(drawn.rows, 3, 1, generator=generator, dtype=torch.float64) - 3)
    assert_same(losses.soft_triple_regularizer(centers * lengths), value)
    assert_same(losses.soft_triple_regularizer(centers.flip(0, 1)), value)
    assert losses.soft_triple_regularizer(centers[:, :1].expand(-1, 3, -1)) == 0
    assert losses.soft_triple_regularizer(centers[:, :1]) == 0


@given_batches(200)
def test_lambda_of_pairwise_cross_entropy(drawn):
    """An eigenvalue of a mean of (p − p²) e eᵀ: not negative, at most ¼ of the mean square in any one direction."""
    loss = ALL["pairwise_cross_entropy"]
    batch = batch_of(loss, drawn)
    value = losses.pairwise_cross_entropy_lambda(batch.embeddings, **batch.parameters)
    assert value >= -1e-12 * batch.embeddings.square().sum()
    assert value <= batch.embeddings.square().mean(dim=0).min() / 4 + 1e-12
    turn = torch.linalg.qr(torch.randn(drawn.dim, drawn.dim, generator=batch.generator, dtype=torch.float64)).Q
    weight, bias = batch.parameters["weight"] @ turn, batch.parameters["bias"]
    assert_same(losses.pairwise_cross_entropy_lambda(batch.embeddings @ turn, weight, bias), value)


numbers = st.floats(0, 3)


@settings(CHECK, max_examples=200)
@given(distances=st.lists(st.floats(0, 5), min_size=2, max_size=9), alpha=numbers, beta=numbers, r=numbers)
def test_warps_are_monotone(distances, alpha, beta, r):
    d = torch.tensor(sorted(distances), dtype=torch.float64)
    for value in (losses.effective_warp(d, alpha=alpha, beta=beta, r=r), losses.warp(d, alpha=alpha, beta=beta, r=r)):
        assert (value.diff() >= -1e-12).all()
    # Below r the warp with m = 1 is the distance itself, and from there on both have one slope.
    warped = losses.warp(d, alpha=alpha, beta=beta, r=r)
    assert_same(warped[d < r], d[d < r])
    gap = warped - losses.effective_warp(d, alpha=alpha, beta=beta, r=r)
    assert_same(gap[d >= r], torch.full_like(gap[d >= r], r * (1 - alpha)))


# the range of the soft silhouette

temperatures = st.floats(0.05, 2)


def given_silhouettes(test):
    return settings(CHECK, max_examples=200)(given(drawn=drawn, temperature=temperatures, nearest=temperatures)(test))


@given_silhouettes
def test_range_of_the_soft_silhouette_with_the_weighted_mean(drawn, temperature, nearest):
    """L_i in [0, 2].

    a_i and b_i are then weighted means of distances, so they lie in [0, 2]; hence |b − a| ≤ max(a, b), and the soft
    maximum is never below the maximum. So |s̃_i| ≤ 1.
    """
    embeddings, labels, _, _ = batch_of(ALL["soft_silhouette"], drawn)
    options = {"temperature": temperature, "nearest_temperature": nearest, "soft_min": "weighted_mean"}
    values = losses.soft_silhouette(embeddings, labels, **options, reduction="none")
    assert (values >= -1e-9).all()
    assert (values <= 2 + 1e-9).all()


@given_silhouettes
def test_range_of_the_soft_silhouette_with_logsumexp(drawn, temperature, nearest):
    """L_i in [0, 1 + max(2, x / log(1 + e⁻ˣ))] with x = τ_b log(C − 1) / τ and C the classes in the batch.

    From below: s̃ ≤ 1, since b − a ≤ b ≤ smax where b ≥ a, and b − a < 0 ≤ a ≤ smax otherwise.
    From above: b ≥ −τ_b log(C − 1) = −τx, and s̃ grows with b, so −s̃ ≤ (a + τx) / smax(a, −τx). With v = a/τ + x ≥ x
    this is v / (softplus(v) − x). Its derivative has the sign of H(σ(v)) − x, with H the entropy of a coin, and H(σ(v))
    falls with v. Either it is at most x from v = x on, and the largest value is that at v = x, the second term; or
    the largest is at the v with H(σ(v)) = x, and there it is v / (v σ(v)) = 1 + e⁻ᵛ ≤ 2.
    With two classes b is the distance itself, and the range is [0, 2] as for the weighted mean.
    """
    embeddings, labels, _, _ = batch_of(ALL["soft_silhouette"], drawn)
    foreign = len(labels.unique()) - 1
    x = nearest * math.log(max(foreign, 1)) / temperature
    most = max(2.0, x / math.log1p(math.exp(-x))) if foreign > 1 else 1.0
    options = {"temperature": temperature, "nearest_temperature": nearest, "soft_min": "logsumexp"}
    values = losses.soft_silhouette(embeddings, labels, **options, reduction="none")
    assert (values >= -1e-9).all()
    assert (values <= 1 + most * (1 + 1e-9)).all()


@given_silhouettes
def test_the_lower_soft_minimum_gives_the_larger_loss(drawn, temperature, nearest):
    """−τ log Σ exp(−d/τ) ≤ min d ≤ Σ w d, and s̃ grows with b: its derivative has the sign of smax + ε − (b − a)·w_b,
    w_b < 1 the share of b in the soft maximum, which is at least max(a, b) ≥ b − a."""
    embeddings, labels, _, _ = batch_of(ALL["soft_silhouette"], drawn)
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
