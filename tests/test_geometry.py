"""The shared mathematics: unit rows, products, roots, distances, sums over part of a row, classes."""

import math

import pytest
import torch

from dmlkit.geometry import (
    class_sums,
    compact_labels,
    euclidean_distances,
    full_precision,
    gram,
    lowest,
    masked_logsumexp,
    square_root,
    unit_rows,
)


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_full_precision(given, computed):
    x = torch.tensor([[1.5, -2.0]], dtype=given)
    assert full_precision(x).dtype == computed
    assert full_precision(x).tolist() == x.tolist()


def test_full_precision_copies_nothing_that_is_precise_enough():
    x = draw(2, 3)
    assert full_precision(x) is x


# unit_rows


def test_unit_rows_are_x_over_its_length():
    x = draw(7, 4)
    torch.testing.assert_close(unit_rows(x), x / x.norm(dim=1, keepdim=True), atol=1e-14, rtol=0)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_unit_rows_gradient(dim):
    assert torch.autograd.gradcheck(unit_rows, draw(4, dim).requires_grad_())


@pytest.mark.parametrize("size", [1e-38, 1e-30, 1e-20, 1.0, 1e20, 1e30, 1e38])
def test_unit_rows_of_any_size(size):
    x = (draw(5, 3, dtype=torch.float32) / 3 * size).requires_grad_()
    expected = torch.nn.functional.normalize(x.detach().double(), dim=1, eps=0)
    value = unit_rows(x)
    torch.testing.assert_close(value.double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_rows_stay_zero_without_a_gradient(dtype):
    x = draw(4, 3, dtype=dtype)
    x[[0, 2]] = 0
    x.requires_grad_()
    value = unit_rows(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert (value[[0, 2]] == 0).all()
    assert (gradient[[0, 2]] == 0).all()
    assert gradient.isfinite().all()
    assert (gradient[[1, 3]] != 0).any()


# gram and square_root


def test_gram():
    x = draw(7, 4)
    torch.testing.assert_close(gram(x), (x.unsqueeze(1) * x).sum(dim=2), atol=1e-13, rtol=0)


def test_gram_gradient():
    """With weights that are not symmetric: x_i · x_j and x_j · x_i are two entries."""
    x, weights = draw(5, 3).requires_grad_(), draw(5, 5, seed=1)
    assert torch.autograd.gradcheck(lambda x: gram(x) * weights, x)
    assert torch.autograd.gradgradcheck(lambda x: gram(x) * weights, x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_square_root(dtype):
    tiny = torch.finfo(dtype).tiny
    x = torch.tensor([0.0, tiny, 1e-30, 1e-12, 0.25, 4.0, 1e30], dtype=dtype).requires_grad_()
    value = square_root(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert value.tolist() == x.detach().sqrt().tolist()
    assert gradient[0] == 0
    torch.testing.assert_close(gradient[1:], (1 / (2 * x.detach().sqrt()))[1:], atol=0, rtol=1e-6)


def test_square_root_at_0_passes_nothing_on():
    """Also not 0 · ∞, whatever stands before and behind it."""
    x = torch.zeros(3, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad((1e300 * square_root(x.square())).sum(), x)
    assert gradient.tolist() == [0, 0, 0]


def test_square_root_gradient():
    assert torch.autograd.gradcheck(square_root, draw(9).square().requires_grad_())


# masked_logsumexp


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_masked_logsumexp(dtype):
    x = 3 * draw(5, 7, dtype=dtype)
    mask = draw(5, 7, seed=1) > 0
    mask[2] = False
    mask[3] = True
    mask[4] = torch.arange(7) == 2
    expected = []
    for row, chosen in zip(x, mask, strict=True):
        total = sum(math.exp(value) for value in row[chosen].tolist())
        expected.append(math.log(total) if total > 0 else lowest(x))
    torch.testing.assert_close(masked_logsumexp(x, mask), torch.tensor(expected, dtype=dtype))
    assert masked_logsumexp(x, mask)[2].isfinite()


def test_masked_logsumexp_of_large_numbers():
    x = torch.tensor([[1e4, 1e4, 2e4], [-1e4, -1e4, 0.0], [1e30, -1e30, 0.0]])
    mask = torch.tensor([[True, True, False], [True, True, False], [False, True, False]])
    value = masked_logsumexp(x, mask)
    torch.testing.assert_close(value, torch.tensor([1e4 + math.log(2), -1e4 + math.log(2), -1e30]))


def test_masked_logsumexp_gradient():
    """Nothing to masked entries; to a row of none something finite, which a mask or a softplus behind it takes away."""
    x, mask = draw(4, 5).requires_grad_(), draw(4, 5, seed=1) > 0
    mask[1] = False
    assert torch.autograd.gradcheck(lambda x: torch.nn.functional.softplus(masked_logsumexp(x, mask)), x)
    (gradient,) = torch.autograd.grad(masked_logsumexp(x, mask).sum(), x)
    assert (gradient[~mask] == 0).all()
    torch.testing.assert_close(gradient[mask.any(dim=1)].sum(dim=1), torch.ones(3, dtype=torch.float64))


# euclidean_distances


@pytest.mark.parametrize(("rows", "others", "dim"), [(1, 1, 1), (4, 7, 3), (30, 40, 16)])
def test_distances_are_the_lengths_of_the_differences(rows, others, dim):
    a, b = draw(rows, dim), draw(others, dim, seed=1)
    expected = (a.unsqueeze(1) - b).square().sum(dim=2).sqrt()
    torch.testing.assert_close(euclidean_distances(a, b), expected, atol=1e-13, rtol=0)


def test_distances_keep_their_digits_close_to_a_far_point():
    """‖a‖² + ‖b‖² − 2a·b would give 0 or noise here: the squares are 10⁶, their last digit 0.1, the answer 10⁻³.

    More than 25 rows, from where on cdist takes the expansion unless it is told not to.
    """
    b = torch.full((40, 64), 128.0)
    offset = torch.zeros(64)
    offset[0] = 2.0**-10
    distances = euclidean_distances(b + offset, b)
    torch.testing.assert_close(distances, torch.full((40, 40), 2.0**-10), atol=0, rtol=1e-6)


def test_distances_gradient():
    assert torch.autograd.gradcheck(
        euclidean_distances, [draw(4, 3).requires_grad_(), draw(2, 3, seed=1).requires_grad_()]
    )


def test_distance_0_has_gradient_0():
    a, b = draw(1, 3).requires_grad_(), draw(1, 3).requires_grad_()
    distance = euclidean_distances(a, b)
    assert distance.item() == 0
    assert all((gradient == 0).all() for gradient in torch.autograd.grad(distance.sum(), [a, b]))


def assert_precise(a, b, rtol=1e-5):
    """float32 distances and their gradients beside those of the same numbers in float64, by their differences.

    The gradient is compared with the size of what was added up: directions may cancel.
    """
    leaves = [a.clone().requires_grad_()]
    itself = b is None
    if not itself:
        leaves.append(b.clone().requires_grad_())
    value = euclidean_distances(leaves[0], leaves[-1])
    double = [leaf.detach().double().requires_grad_() for leaf in leaves]
    squares = (double[0].unsqueeze(1) - double[-1]).square().sum(dim=2)
    expected = torch.where(squares > 0, squares, 1.0).sqrt() * (squares > 0)
    torch.testing.assert_close(value.double(), expected.detach(), atol=0, rtol=rtol)
    weights = torch.rand(value.shape, generator=torch.Generator().manual_seed(9)) + 0.5
    gradients = torch.autograd.grad((weights * value).sum(), leaves)
    wanted = torch.autograd.grad((weights * expected).sum(), double)
    for gradient, true in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(gradient.double(), true, atol=rtol * sum(value.shape), rtol=0)


def single(*shape, seed=0):
    return draw(*shape, seed=seed, dtype=torch.float32)


def coincident_pairs(step):
    """Of 40 × 80 pairs 40 are close, which are few."""
    a = single(40, 16)
    return a, torch.cat([a + step * single(40, 16, seed=1), single(40, 16, seed=2)])


def two_heaps(step):
    """Half of all pairs are close."""
    heaps = torch.tensor([-1.0, 1.0]).repeat_interleave(25).unsqueeze(1)
    return heaps + step * single(50, 8), None


def one_heap(step):
    """All pairs are close, compared with how far they are from the origin."""
    return 1 + step * single(50, 8), 1 + step * single(40, 8, seed=1)


def heap_beside_an_outlier(step):
    """The middle of all rows is far from most of them."""
    rows = step * single(50, 8)
    rows[7] = 1.0
    return rows, None


def close_to_a_proxy_at_the_origin(step):
    a, b = step * single(50, 8), single(80, 8, seed=1)
    b[3] = 0.0
    b[4] = step / 2
    return a, b


POINTS = [coincident_pairs, two_heaps, one_heap, heap_beside_an_outlier, close_to_a_proxy_at_the_origin]


@pytest.mark.parametrize("step", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("points", POINTS)
def test_distances_are_precise_between_near_points(points, step):
    assert_precise(*points(step))


@pytest.mark.parametrize("size", [1e-37, 1e-30, 1e-20, 1e-12, 1e12, 1e18, 1e20, 1e30, 1e34])
@pytest.mark.parametrize("rows", [6, 50])
def test_distances_of_any_size(rows, size):
    a, b = size * single(rows, 8), size * single(60, 8, seed=1)
    assert_precise(a, b)
    assert_precise(a, None)


@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("rows", [6, 50])
def test_distances_far_from_the_origin(rows, offset):
    """The points keep about 7 digits of their own coordinates, and their distances lose none of those."""
    a, b = offset + offset * 1e-3 * single(rows, 8), offset + offset * 1e-3 * single(60, 8, seed=1)
    assert_precise(a, b)
    assert_precise(a, None)


@pytest.mark.parametrize(("points", "slow"), [(coincident_pairs, 0), (two_heaps, 1)])
def test_only_many_near_pairs_take_the_slow_way(monkeypatch, points, slow):
    """It is several times slower, which no other test would notice."""
    calls, cdist = [], torch.cdist
    monkeypatch.setattr(torch, "cdist", lambda *args, **kwargs: calls.append(kwargs) or cdist(*args, **kwargs))
    a, b = points(1e-3)
    euclidean_distances(a, a if b is None else b)
    assert calls == slow * [{"compute_mode": "donot_use_mm_for_euclid_dist"}]


@pytest.mark.parametrize("rows", [3, 31, 32, 33, 64])
def test_distances_of_a_batch_to_itself(rows):
    x = draw(rows, 5)
    x[1] = x[0]
    value = euclidean_distances(x, x)
    assert (value.diagonal() == 0).all()
    assert value[0, 1] == value[1, 0] == 0
    torch.testing.assert_close(value, value.T, atol=1e-14, rtol=1e-14)
    torch.testing.assert_close(value, euclidean_distances(x, x.clone()), atol=1e-14, rtol=1e-13)


@pytest.mark.parametrize("rows", [4, 40])
def test_gradient_of_distances_to_itself(rows):
    """Both ways, with 40 rows the fast one; the two sides of a pair have weights of their own."""
    weights = draw(rows, rows, seed=1)

    def weighted(x):
        return (weights * euclidean_distances(x, x)).sum()

    assert torch.autograd.gradcheck(weighted, draw(rows, 2).requires_grad_())


def test_gradient_of_the_fast_way_with_near_pairs():
    a, b = (x.double() for x in coincident_pairs(1e-2))
    weights = draw(40, 80, seed=3)
    inputs = [a[:, :2].clone().requires_grad_(), b[:, :2].clone().requires_grad_()]
    assert torch.autograd.gradcheck(lambda a, b: (weights * euclidean_distances(a, b)).sum(), inputs)
    for frozen in (0, 1):
        inputs[frozen].requires_grad_(False)
        assert torch.autograd.gradcheck(lambda a, b: (weights * euclidean_distances(a, b)).sum(), inputs)
        inputs[frozen].requires_grad_(True)


@pytest.mark.parametrize("rows", [1, 5, 40])
def test_coinciding_points_have_no_direction(rows):
    """All of one place: distance 0 and gradient 0, by either way and for both sides."""
    for x in (torch.zeros(rows, 3), torch.ones(rows, 3), single(1, 3).expand(rows, 3).clone()):
        x.requires_grad_()
        y = x.detach().clone().requires_grad_()
        for inputs in ([x], [x, y]):
            value = euclidean_distances(inputs[0], inputs[-1])
            assert (value == 0).all()
            assert all((gradient == 0).all() for gradient in torch.autograd.grad(value.sum(), inputs))


def compiled(function):
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=False)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_compiled_distances(size):
    a, b = size * single(40, 8), size * single(50, 8, seed=1)
    torch.testing.assert_close(
        compiled(euclidean_distances)(a, b) / size, euclidean_distances(a, b) / size, atol=1e-6, rtol=1e-5
    )
    torch.testing.assert_close(
        compiled(lambda a: euclidean_distances(a, a))(a) / size, euclidean_distances(a, a) / size, atol=1e-6, rtol=1e-5
    )


# compact_labels and class_sums


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_compact_labels(dtype):
    index, counts = compact_labels(torch.tensor([7, -3, 2_000_000_000, 7, 7], dtype=dtype))
    assert index.tolist() == [1, 0, 2, 1, 1]
    assert counts.tolist() == [1, 3, 1]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_compact_labels_in_a_compiled_graph(dtype):
    """The same classes by the same numbers; C is not known there, and zeros fill up the counts."""
    high = torch.iinfo(dtype).max
    low = torch.iinfo(dtype).min
    for labels in ([7, 3, high, 7, low, low, 8], [5, 5, 5], [4], [3, 2, 1, 0], [high, low, high - 1, low + 1]):
        labels = torch.tensor(labels, dtype=dtype)
        index, counts = compiled(compact_labels)(labels)
        expected_index, expected_counts = compact_labels(labels)
        assert index.tolist() == expected_index.tolist()
        assert counts.tolist() == expected_counts.tolist() + [0] * (len(labels) - len(expected_counts))


@pytest.mark.parametrize("way", [compact_labels, compiled(compact_labels)], ids=["plain", "compiled"])
@pytest.mark.parametrize("first", [2**24, 2**53, -(2**63), 2**63 - 3, 2**32 - 1])
def test_labels_that_are_one_number_as_floats(way, first):
    labels = torch.tensor([first + 2, first, first + 1, first + 2])
    index, counts = way(labels)
    assert index.tolist() == [2, 0, 1, 2]
    assert counts[:3].tolist() == [1, 1, 2]


def test_class_sums():
    x, index = draw(6, 3), torch.tensor([0, 2, 2, 0, 2, 0])
    sums = class_sums(x, index, 4)
    assert sums.shape == (4, 3)
    for c in range(4):
        expected = sum((row for row, i in zip(x, index.tolist(), strict=True) if i == c), torch.zeros(3))
        torch.testing.assert_close(sums[c], expected.double(), atol=1e-14, rtol=0)


def test_class_sums_gradient():
    index = torch.tensor([0, 2, 2, 0])
    assert torch.autograd.gradcheck(lambda x: class_sums(x, index, 3), draw(4, 2).requires_grad_())
