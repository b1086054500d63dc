"""The bounds where they are theorems (exactly, on distributions that can be enumerated), and on Gaussian classes."""

import itertools
import math

import pytest
import scipy.special
import scipy.stats
import torch

from dmlkit.information import (
    discriminative_bound,
    info_nce_bound,
    info_nce_bound_from_scores,
    label_entropy,
    mixture_mutual_information,
    posterior_logits,
    sample_mixture,
)

# How often each of four embeddings carries each of three labels: rows with these counts are the distribution itself.
TABLES = [
    [[5, 1, 1], [1, 7, 2], [2, 2, 2], [1, 1, 9]],
    [[1, 1, 1], [2, 2, 2], [3, 3, 3], [1, 1, 1]],
    [[30, 1, 1], [1, 1, 1], [1, 20, 1], [1, 1, 2]],
]


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rows_of(table):
    """The embedding's number and the label of each row."""
    rows = [(z, y) for z, counts in enumerate(table) for y, count in enumerate(counts) for _ in range(count)]
    return torch.tensor(rows).T


def information_of(joint):
    """I of a table of probabilities or counts, in a loop."""
    total = sum(map(sum, joint))
    columns = [sum(column) for column in zip(*joint, strict=True)]
    return sum(
        p / total * math.log(p * total / (sum(row) * column))
        for row in joint
        for p, column in zip(row, columns, strict=True)
        if p > 0
    )


# discriminative_bound


@pytest.mark.parametrize("seed", range(3))
def test_discriminative_bound_against_a_loop(seed):
    logits, labels = 3 * draw(30, 4, seed=seed), torch.arange(30) % 4
    loss = sum(math.log(sum(math.exp(x) for x in row)) - row[y] for row, y in zip(logits.tolist(), labels, strict=True))
    entropy = scipy.stats.entropy(labels.bincount())
    assert discriminative_bound(logits, labels) == pytest.approx(entropy - loss / 30, abs=1e-12)


@pytest.mark.parametrize("table", TABLES)
def test_the_posterior_reaches_the_information_exactly(table):
    z, y = rows_of(table)
    posterior = torch.tensor(table, dtype=torch.float64).log()
    assert discriminative_bound(posterior[z], y) == pytest.approx(information_of(table), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("table", TABLES)
def test_the_gap_is_the_divergence_of_the_classifier(table, seed):
    """Lemma 2 for any classifier, near the posterior and far from it, on every draw."""
    z, y = rows_of(table)
    counts = torch.tensor(table, dtype=torch.float64)
    logits = counts.log() + (seed / 4) * draw(4, 3, seed=seed)
    shares = (counts.sum(dim=1) / counts.sum()).tolist()
    divergence = sum(
        share * scipy.special.rel_entr(p, q).sum()
        for share, p, q in zip(
            shares,
            (counts / counts.sum(dim=1, keepdim=True)).numpy(),
            logits.softmax(dim=1).numpy(),
            strict=True,
        )
    )
    bound = discriminative_bound(logits[z], y)
    assert information_of(table) - bound == pytest.approx(divergence, abs=1e-12)
    assert bound <= information_of(table) + 1e-12
    assert (divergence > 1e-6) == (seed > 0)


SEPARATIONS = [0.0, 0.5, 1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("separation", SEPARATIONS)
@pytest.mark.parametrize("dim", [1, 2])
def test_the_gap_is_the_divergence_on_gaussian_classes(dim, separation):
    """By quadrature, not by draws: E over p(z, y) of log q is a sum over a grid, each point as often as it weighs."""
    means = separation * torch.eye(3, dtype=torch.float64)[:, :dim]
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    line = torch.linspace(-9, separation + 9, 701 if dim == 1 else 241, dtype=torch.float64)
    grid = torch.cartesian_prod(*[line] * dim).reshape(-1, dim)
    joint = weights * torch.exp(-(grid.unsqueeze(1) - means).square().sum(dim=2) / 2)
    joint = joint / joint.sum()
    entropy = scipy.stats.entropy(weights)
    information = mixture_mutual_information(means, 1.0, weights)

    log_posterior = posterior_logits(grid, means, 1.0, weights).log_softmax(dim=1)
    assert entropy + (joint * log_posterior).sum().item() == pytest.approx(information, abs=1e-10)
    for seed in range(5):
        log_q = (grid @ draw(dim, 3, seed=seed) + draw(3, seed=seed + 10)).log_softmax(dim=1)
        bound = entropy + (joint * log_q).sum().item()
        divergence = (joint * (log_posterior - log_q)).sum().item()
        assert information - bound == pytest.approx(divergence, abs=1e-10)
        assert divergence > 1e-4


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("separation", SEPARATIONS)
@pytest.mark.parametrize("dim", [1, 2, 16])
def test_the_posterior_on_draws_is_within_the_stated_error(dim, separation, seed):
    """Five standard errors, and the (C − 1) / 2N by which H(Y) is low."""
    means = separation * torch.eye(max(dim, 3), dtype=torch.float64)[:3, :dim]
    embeddings, labels = sample_mixture(means, 1.0, 2000, seed)
    logits = posterior_logits(embeddings, means, 1.0)
    gains = logits.log_softmax(dim=1)[torch.arange(2000), labels] - (labels.bincount() / 2000).log()[labels]
    error = 5 * gains.std().item() / math.sqrt(2000) + 2 * (3 - 1) / (2 * 2000)
    assert discriminative_bound(logits, labels) == pytest.approx(mixture_mutual_information(means, 1.0), abs=error)


@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 1e6])
@pytest.mark.parametrize("seed", range(5))
def test_no_classifier_passes_the_entropy_of_the_labels(seed, scale):
    """On any rows, right answers of any confidence included."""
    labels = torch.randint(4, (50,), generator=torch.Generator().manual_seed(seed))
    logits = draw(50, 4, seed=seed) + scale * torch.eye(4, dtype=torch.float64)[labels]
    assert discriminative_bound(logits, labels) <= label_entropy(labels)


def test_training_rows_bound_nothing():
    """What the docstring warns of: nearest neighbour, which knows its own rows by heart, of labels that are noise."""
    z, labels = draw(200, 2), torch.randint(2, (200,), generator=torch.Generator().manual_seed(0))
    others = draw(200, 2, seed=1), torch.randint(2, (200,), generator=torch.Generator().manual_seed(1))

    def logits(rows):
        return 5 * torch.eye(2, dtype=torch.float64)[labels[torch.cdist(rows, z).argmin(dim=1)]]

    assert discriminative_bound(logits(z), labels) == pytest.approx(math.log(2), abs=0.02)  # I = 0
    assert discriminative_bound(logits(others[0]), others[1]) < 0


def test_one_class_and_one_row():
    assert discriminative_bound(draw(5, 1), torch.zeros(5, dtype=torch.long)) == 0
    assert discriminative_bound(torch.zeros(1, 3), torch.tensor([2])) == pytest.approx(-math.log(3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_discriminative_bound_is_computed_in_float64(dtype):
    logits, labels = draw(30, 4).to(dtype), torch.arange(30, dtype=torch.uint8) % 4
    assert discriminative_bound(logits, labels) == discriminative_bound(logits.double(), labels.long())


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"logits": [[1.0]]}, TypeError, "logits must be a torch.Tensor"),
        ({"logits": torch.zeros(4)}, ValueError, "logits must have two dimensions"),
        ({"logits": torch.full((4, 2), -math.inf)}, ValueError, "logits must be finite, found .* in 4 of 4 rows"),
        ({"logits": torch.full((4, 2), math.nan)}, ValueError, "logits must be finite"),
        ({"logits": torch.zeros(0, 2), "labels": torch.zeros(0, dtype=torch.long)}, ValueError, "logits is empty"),
        ({"labels": torch.zeros(4)}, TypeError, "labels must have an integer dtype"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, ValueError, "labels must have shape"),
        ({"labels": torch.tensor([0, 1, 2, 0])}, ValueError, r"labels must lie in 0 … 1, found 0 … 2"),
    ],
)
def test_discriminative_errors(change, error, says):
    arguments = {"logits": torch.zeros(4, 2), "labels": torch.tensor([0, 0, 1, 1])}
    with pytest.raises(error, match=says):
        discriminative_bound(**{**arguments, **change})


# info_nce_bound


@pytest.mark.parametrize("temperature", [0.05, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_info_nce_against_a_loop(seed, temperature):
    z, positives = 3 * draw(12, 5, seed=seed), draw(12, 5, seed=seed + 10)
    total = 0.0
    for i in range(12):
        scores = [torch.cosine_similarity(z[i], p, dim=0).item() / temperature for p in positives]
        total += scores[i] - math.log(sum(math.exp(s) for s in scores))
    value = info_nce_bound(z, positives, temperature=temperature)
    assert value == pytest.approx(math.log(12) + total / 12, abs=1e-10)


@pytest.mark.parametrize("temperature", [1e-4, 0.1, 1.0, 1e3])
@pytest.mark.parametrize("rows", [1, 2, 9, 64])
def test_info_nce_never_passes_log_n(rows, temperature):
    """On every draw; and reaches it where each row's own positive is the nearest by far."""
    for seed in range(5):
        z = draw(rows, 4, seed=seed)
        assert info_nce_bound(z, z + 0.1 * draw(rows, 4, seed=seed + 10), temperature=temperature) <= math.log(rows)
    z = torch.eye(rows)
    assert info_nce_bound(z, z, temperature=1e-3) == pytest.approx(math.log(rows), abs=1e-12)


# The joint distribution of two views, each one of three points of the circle.
JOINTS = [
    [[0.5, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.2]],
    [[0.4, 0.05, 0.0], [0.05, 0.3, 0.0], [0.0, 0.1, 0.1]],
    [[0.25, 0.15, 0.1], [0.15, 0.09, 0.06], [0.1, 0.06, 0.04]],
]


def expectation(joint, rows, bound):
    """E over all batches of independent pairs, each one with its probability."""
    pairs = [(a, b, p) for a, row in enumerate(joint) for b, p in enumerate(row) if p > 0]
    return sum(
        math.prod(p for *_, p in batch)
        * bound(torch.tensor([a for a, *_ in batch]), torch.tensor([b for _, b, _ in batch]))
        for batch in itertools.product(pairs, repeat=rows)
    )


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("joint", JOINTS)
def test_info_nce_is_a_bound_in_expectation(joint, rows):
    """The theorem itself, enumerated: at most I and log N, for cosines of any temperature and for the best score."""
    angle = torch.tensor([0.0, 1.8, 3.9], dtype=torch.float64)
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    information = information_of(joint)
    for temperature in (0.1, 1.0):
        value = expectation(
            joint, rows, lambda a, b, t=temperature: info_nce_bound(points[a], points[b], temperature=t)
        )
        assert value <= min(information, math.log(rows)) + 1e-12
    table = torch.tensor(joint, dtype=torch.float64)
    ratio = (table / (table.sum(dim=1, keepdim=True) * table.sum(dim=0))).clamp(min=1e-300).log()
    best = expectation(joint, rows, lambda a, b: info_nce_bound_from_scores(ratio[a][:, b]))
    assert best <= min(information, math.log(rows)) + 1e-12
    assert value <= best + 1e-12
    if information > 1e-12 and rows > 1:
        assert best > 0.25 * min(information, math.log(rows))


@pytest.mark.parametrize("separation", [0.0, 1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("dim", [1, 2])
def test_info_nce_on_gaussian_classes(dim, separation):
    """Two draws of one class as views, batches of 64: below what the views share, and near it for the best score."""
    means = separation * torch.eye(3, dtype=torch.float64)[:, :dim]
    shared = 2 * mixture_mutual_information(means, 1.0) - (
        mixture_mutual_information(means.repeat(1, 2), 1.0) if dim == 1 else _by_line(separation)
    )
    assert shared <= mixture_mutual_information(means, 1.0) + 1e-12
    values, cosines = [], []
    for seed in range(100):
        z, labels = sample_mixture(means, 1.0, 64, seed)
        positives = means[labels] + draw(64, dim, seed=seed + 1000)
        # log p(z⁺|z) / p(z⁺) = log Σ_c p(c|z) p(c|z⁺) / p(c)
        own, other = (posterior_logits(x, means, 1.0).log_softmax(dim=1) for x in (z, positives))
        scores = (own.unsqueeze(1) + other + math.log(3)).logsumexp(dim=2)
        values.append(info_nce_bound_from_scores(scores))
        cosines.append(info_nce_bound(z, positives, temperature=1.0))
    values, cosines = torch.tensor([values, cosines], dtype=torch.float64)
    error = 4 * values.std().item() / math.sqrt(100) + 1e-12
    # A batch of N loses about 1/2N of Var[p(z⁺|z) / p(z⁺)] < C.
    assert shared - error - 3 / 64 <= values.mean().item() <= shared + error
    assert cosines.mean().item() <= shared + 4 * cosines.std().item() / math.sqrt(100) + 1e-12


def _by_line(separation):
    """I((Z, Z⁺); Y) of two views in a plane: their mean tells as much as both, at 1/√2 of the width."""
    means = separation * torch.eye(3, dtype=torch.float64)[:, :2]
    return mixture_mutual_information(means, math.sqrt(0.5))


def test_info_nce_of_constant_and_of_zero_embeddings():
    for z in (torch.zeros(6, 3), torch.ones(6, 3)):
        assert info_nce_bound(z, z, temperature=0.1) == pytest.approx(0, abs=1e-12)


def test_turning_and_the_length_of_rows_do_not_matter_to_info_nce():
    z, positives = draw(12, 5), draw(12, 5, seed=1)
    value = info_nce_bound(z, positives, temperature=0.2)
    rotation = torch.linalg.qr(draw(5, 5, seed=2)).Q
    assert info_nce_bound(z @ rotation, positives @ rotation, temperature=0.2) == pytest.approx(value, abs=1e-12)
    assert info_nce_bound(1e30 * z, 1e-30 * positives, temperature=0.2) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_info_nce_is_computed_in_float64(dtype):
    z, positives = draw(12, 5).to(dtype), draw(12, 5, seed=1).to(dtype)
    expected = info_nce_bound(z.double(), positives.double(), temperature=0.2)
    assert info_nce_bound(z, positives, temperature=0.2) == expected


def test_bounds_make_no_gradient():
    z = draw(6, 3).requires_grad_()
    assert isinstance(discriminative_bound(z, torch.arange(6) % 3), float)
    assert isinstance(info_nce_bound(z, z, temperature=1.0), float)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"embeddings": [[1.0]]}, TypeError, "embeddings must be a torch.Tensor"),
        ({"positives": torch.zeros(4, 3)}, ValueError, "positives must have 2 columns like the embeddings, found 3"),
        ({"positives": torch.zeros(3, 2)}, ValueError, "positives must have 4 rows like the embeddings, found 3"),
        ({"positives": torch.full((4, 2), math.nan)}, ValueError, "positives must be finite"),
        ({"embeddings": torch.full((4, 2), math.inf)}, ValueError, "embeddings must be finite"),
        ({"temperature": 0.0}, ValueError, "temperature must be greater than 0, found 0"),
        ({"temperature": None}, TypeError, "temperature must be a number, found NoneType"),
    ],
)
def test_info_nce_errors(change, error, says):
    arguments = {"embeddings": torch.zeros(4, 2), "positives": torch.zeros(4, 2), "temperature": 0.1}
    with pytest.raises(error, match=says):
        info_nce_bound(**{**arguments, **change})


@pytest.mark.parametrize(
    ("scores", "error", "says"),
    [
        ([[1.0]], TypeError, "scores must be a torch.Tensor"),
        (torch.zeros(3, 2), ValueError, r"scores must be square, .* found \(3, 2\)"),
        (torch.zeros(0, 0), ValueError, "scores is empty"),
        (torch.full((2, 2), math.nan), ValueError, "scores must be finite"),
    ],
)
def test_score_errors(scores, error, says):
    with pytest.raises(error, match=says):
        info_nce_bound_from_scores(scores)
