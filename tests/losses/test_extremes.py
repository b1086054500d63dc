"""The ends of the range: sizes, angles, labels, and batches that hold almost nothing."""

import itertools
import math

import pytest
import torch
from cases import ALL, FREE, LABELS, REDUCED, embeddings

from dmlkit import losses
from dmlkit.losses import neighbors

each_loss = pytest.mark.parametrize("name", ALL)
each_free = pytest.mark.parametrize("name", FREE)
SPAN = [name for name, loss in ALL.items() if loss.has("spans")]  # these need an ordinary batch
each_but_spanning = pytest.mark.parametrize("name", [name for name in ALL if name not in SPAN])


def value_and_gradients(name, rows, labels=LABELS, dtype=torch.float32, **options):
    """The value, and the gradients of its sum in the embeddings and in each parameter."""
    loss = ALL[name]
    held = {key: value.to(dtype).requires_grad_() for key, value in loss.fixed.items()}
    rows = rows.to(dtype).requires_grad_()
    value = loss(rows, labels, **held, **options)
    return value, torch.autograd.grad(value.sum(), [rows, *held.values()])


def assert_finite(name, rows, labels=LABELS):
    reductions = [{"reduction": "none"}, {"reduction": "mean"}] if name in REDUCED else [{}]
    for options in reductions:
        value, gradients = value_and_gradients(name, rows, labels, **options)
        assert value.isfinite().all()
        assert all(gradient.isfinite().all() for gradient in gradients)


# sizes


@pytest.mark.parametrize("size", [1e-30, 1e-10, 1.0, 1e10, 1e15])
@each_but_spanning
def test_embeddings_of_every_size(name, size):
    assert_finite(name, size * embeddings())


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 3.0])
@pytest.mark.parametrize("name", SPAN)
def test_embeddings_of_every_size_where_lambda_is_derived(name, size):
    """It is of the size of the squares; where they are large the probabilities are decided and there is none."""
    assert_finite(name, size * embeddings())


@each_but_spanning
def test_all_sizes_in_one_batch(name):
    sizes = torch.tensor([1e-30, 1e15, 1.0, 1e-10, 1e10, 0.0])
    for roll in range(6):
        assert_finite(name, sizes.roll(roll).unsqueeze(1) * embeddings())


@pytest.mark.parametrize("size", [1e-30, 1e-10, 1e10, 1e15])
@pytest.mark.parametrize("name", [name for name, loss in ALL.items() if loss.has("sphere")])
def test_size_does_not_matter_on_the_sphere(name, size):
    value, gradients = value_and_gradients(name, size * embeddings())
    expected, expected_gradients = value_and_gradients(name, embeddings())
    torch.testing.assert_close(value, expected, atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(size * gradients[0], expected_gradients[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gradients[1:], expected_gradients[1:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [1e-30, 1e-15, 1e15])
@pytest.mark.parametrize(
    ("function", "power"), [(losses.triplet, 1), (losses.contrastive, 2), (losses.euclidean_softmax, 0)]
)
def test_a_distance_is_one_in_any_unit_of_length(function, power, size):
    """A loss of rows and a margin in another unit is the loss in that unit: metres or 1e-15 metres."""
    if size**power < 1e-38:
        power = 0.5  # the square is below float32's smallest number: all that can be asked is that it be small
    small = (size * embeddings().double()).float()
    rows = small.double() / size  # what float32 has kept of them
    if function is losses.euclidean_softmax:
        proxies = ALL["center"].fixed["centers"].double()
        value = function(small, LABELS, size * proxies, scale=1 / size)
        expected = function(rows, LABELS, proxies)
    else:
        value, expected = function(small, LABELS, margin=size), function(rows, LABELS, margin=1.0)
    if power == 0.5:
        assert 0 <= value < size
    else:
        torch.testing.assert_close(value.double() / size**power, expected, atol=0, rtol=1e-5)


# batches that hold almost nothing


def zero(rows):
    return torch.zeros_like(rows)


def one_zero(rows):
    return torch.cat([torch.zeros(1, 3), rows[1:]])


def all_equal(rows):
    return rows[:1].expand(6, 3).clone()


def duplicates(rows):
    """The first two rows are of different classes, the second and the fourth of one."""
    return rows[[0, 0, 2, 0, 4, 4]]


def opposite(rows):
    return rows[[0, 0, 0, 3, 3, 3]] * torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]).unsqueeze(1)


def tiny_differences(rows):
    return rows[:1] + 1e-7 * rows


def one_axis(rows):
    return torch.eye(3)[[0, 0, 1, 1, 2, 2]]


SHAPES = [zero, one_zero, all_equal, duplicates, opposite, tiny_differences, one_axis]
LAYOUTS = {"three classes": LABELS, "one class": torch.full((6,), 2), "two classes": torch.tensor([0, 0, 0, 0, 0, 2])}


@pytest.mark.parametrize("labels", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
@each_but_spanning
def test_rows_that_coincide_or_vanish(name, shape, labels):
    assert_finite(name, shape(embeddings()), labels)


@pytest.mark.parametrize("shape", SHAPES)
@each_free
def test_every_row_a_class_of_its_own(name, shape):
    assert_finite(name, shape(embeddings()), torch.tensor([5, -1, 0, 3, 10**12, 2]))


@pytest.mark.parametrize("name", [name for name in ALL if name not in SPAN and name != "contrast of snca"])
def test_one_row(name):
    assert_finite(name, embeddings()[:1], LABELS[:1])
    assert_finite(name, torch.zeros(1, 3), LABELS[:1])


@pytest.mark.parametrize("name", [name for name, loss in ALL.items() if name not in SPAN and loss.first != "logits"])
def test_one_dimension(name):
    loss = ALL[name]
    held = loss.draw(3, 1, torch.Generator().manual_seed(5), torch.float32)
    rows = embeddings()[:, :1].requires_grad_()
    value = loss(rows, LABELS, **held)
    assert value.isfinite()
    assert torch.autograd.grad(value, rows)[0].isfinite().all()


# the angle to the own proxy

ANGULAR = ["norm_softmax", "cos_face", "arc_face", "sphere_face", "mag_face"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", [*ANGULAR, "proxy_nca", "proxy_nca_plus_plus", "proxy_anchor", "soft_triple"])
def test_row_on_its_proxy_or_opposite(name, sign, dtype):
    """arccos has an infinite slope there."""
    loss = ALL[name]
    ((key, proxies),) = loss.fixed.items()
    proxies = proxies.to(dtype)
    own = (proxies if proxies.ndim == 2 else proxies[:, 0])[LABELS]
    # On a proxy to the last digit, and up to rounding of either sign: a cosine may come out above 1.
    for rows in (sign * own, sign * 3 * own, sign * own / 7):
        held = proxies.clone().requires_grad_()
        rows = rows.clone().requires_grad_()
        value = loss(rows, LABELS, **{key: held}, reduction="none")
        gradients = torch.autograd.grad(value.sum(), [rows, held])
        assert value.isfinite().all()
        assert all(gradient.isfinite().all() for gradient in gradients)
        if name != "proxy_anchor":
            assert (gradients[0].abs() < 1e4).all()  # not merely finite


FULL_TURN = torch.linspace(0, math.pi, 721, dtype=torch.float64)  # angles to the own proxy


def turning(loss, length=1.0, **options):
    """A loss of one row after another, at every angle to its own proxy and at a right angle to the other proxy."""
    rows = length * torch.stack([FULL_TURN.cos(), FULL_TURN.sin(), torch.zeros_like(FULL_TURN)], dim=1)
    weight = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return loss(rows, torch.zeros(len(rows), dtype=torch.long), weight, **options, reduction="none")


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5, 1.0, 1.5, 2.0, 2.3, 2.5, 3.0, 3.14])
def test_arc_face_grows_with_the_angle_to_the_own_proxy(margin):
    """Past π − m too, where cos(θ + m) would fall again."""
    assert (turning(losses.arc_face, margin=margin, scale=2.0).diff() > 0).all()


@pytest.mark.parametrize("length", [10.0, 60.0, 110.0])
@pytest.mark.parametrize("upper", [0.8, 2.0, 2.5, 3.1])
def test_mag_face_grows_with_the_angle_to_the_own_proxy(length, upper):
    assert (turning(losses.mag_face, length, upper_margin=upper, scale=2.0).diff() > 0).all()


@pytest.mark.parametrize("margin", [1.0, 1.35, 2.0, 2.5, 3.0, 4.0, 7.3])
def test_sphere_face_grows_with_the_angle_to_the_own_proxy(margin):
    """And without a step: ψ is continuous at the seams kπ/m."""
    psi = -turning(losses.sphere_face, margin=margin).expm1().log()  # L = log(1 + exp(0 − ψ)): the other cosine is 0
    assert (psi.diff() <= 1e-9).all()
    assert (psi.diff() >= -margin * math.pi / 720 - 1e-9).all()  # at most m times the step
    k = (margin * FULL_TURN / math.pi).floor()
    torch.testing.assert_close(psi, (1 - 2 * (k % 2)) * (margin * FULL_TURN).cos() - 2 * k, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["arc_face", "mag_face", "sphere_face"])
def test_gradient_near_the_proxy_stays_bounded(name):
    """The slope of the angle over the cosine grows like 1/θ, that of the cosine over the row falls like θ."""
    rows = torch.tensor([[1.0, 10.0**-k] for k in range(1, 20)]).requires_grad_()
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    for sign in (1, -1):
        value = ALL[name](sign * rows, torch.zeros(19, dtype=torch.long), weight=weight, reduction="sum")
        (gradient,) = torch.autograd.grad(value, rows)
        assert value.isfinite()
        assert (gradient.abs() < 1e3).all()


# exponentials that underflow


@pytest.mark.parametrize("scale", [1.0, 9.0, 32.0, 100.0, 1000.0])
@pytest.mark.parametrize("own_in_denominator", [True, False])
def test_proxy_nca_keeps_the_hardest_rows(scale, own_in_denominator):
    """exp(−32 · 4) is 0 in float32: a row opposite its proxy would have no loss and no gradient at all."""
    angle = torch.tensor([0.5, 1.5, 2.5, 3.0, 3.14])
    rows = torch.stack([angle.cos(), angle.sin()], dim=1).requires_grad_()
    proxies = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    value = losses.proxy_nca(
        rows,
        torch.zeros(5, dtype=torch.long),
        proxies,
        scale=scale,
        own_in_denominator=own_in_denominator,
        reduction="none",
    )
    (gradient,) = torch.autograd.grad(value.sum(), rows)
    # Squared distances 2 − 2 cos θ and 2 + 2 cos θ: the logit of the own proxy is 4 s cos θ above the other's.
    logit = 4 * scale * angle.cos()
    expected = torch.nn.functional.softplus(-logit) if own_in_denominator else -logit
    torch.testing.assert_close(value, expected, atol=1e-3, rtol=1e-4)
    assert (value[-3:] > 3 * scale).all()
    # … and its slope over θ, along the circle, is 4 s sin θ times the share of the other proxy.
    share = (-logit).sigmoid() if own_in_denominator else torch.ones(5)
    slope = 4 * scale * angle.sin() * share
    torch.testing.assert_close(gradient.norm(dim=1), slope, atol=1e-4 * scale, rtol=1e-3)
    assert (gradient[-3:].norm(dim=1) > 1e-3).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("norm_softmax", {"temperature": 1e-3}),
        ("cos_face", {"scale": 1e4}),
        ("arc_face", {"scale": 1e4}),
        ("sphere_face", {"scale": 1e4}),
        ("mag_face", {"scale": 1e4}),
        ("sup_con", {"temperature": 1e-4}),
        ("snca", {"temperature": 1e-4}),
        ("soft_silhouette", {"temperature": 1e-4, "nearest_temperature": 1e-4}),
        ("soft_silhouette, weighted_mean", {"temperature": 1e-4, "nearest_temperature": 1e-4}),
        ("multi_similarity", {"alpha": 1e4, "beta": 1e4}),
        ("circle", {"gamma": 1e4}),
        ("lifted_structure", {"margin": 1e4}),
        ("contrastive", {"margin": 1e4}),
        ("triplet", {"margin": 1e4}),
        ("proxy_nca", {"scale": 1e4}),
        ("proxy_nca, own left out", {"scale": 1e4}),
        ("proxy_nca_plus_plus", {"temperature": 1e-4}),
        ("proxy_anchor", {"alpha": 1e4}),
        ("soft_triple", {"scale": 1e4, "gamma": 1e-4}),
        ("hist_distribution", {"temperature": 1e-4}),
        ("hist", {"temperature": 1e-4, "alpha": 1e4}),
        ("pairwise_cross_entropy", {"lam": 1e-4}),
        ("euclidean_softmax", {"scale": 1e4}),
        ("warped_softmax", {"scale": 1e4}),
        ("monotone_softmax", {"scale": 1e4}),
        ("tightness of snca", {"temperature": 1e-4}),
        ("contrast of snca", {"temperature": 1e-4}),
        ("tightness of multi_similarity", {"alpha": 1e4}),
        ("contrast of multi_similarity", {"beta": 1e4}),
    ],
)
def test_sharp_options_agree_with_float64(name, options):
    """Every exponential here under- or overflows float32; the loss is as good as a maximum."""
    value, gradients = value_and_gradients(name, embeddings(), **options)
    expected, expected_gradients = value_and_gradients(name, embeddings(), dtype=torch.float64, **options)
    assert expected.isfinite()
    assert any((gradient != 0).any() for gradient in expected_gradients)
    torch.testing.assert_close(value.double(), expected, atol=1e-2, rtol=1e-4)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        size = max(wanted.abs().max().item(), 1.0)
        torch.testing.assert_close(gradient.double() / size, wanted / size, atol=1e-2, rtol=1e-2)


# conventions of label smoothing


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5, 0.7, 0.99])
def test_label_smoothing_over_all_and_over_the_others(epsilon):
    logits = embeddings().double()
    log_p = logits.log_softmax(dim=1)
    hot = torch.nn.functional.one_hot(LABELS, 3).double()
    over_all = (1 - epsilon) * hot + epsilon / 3
    over_others = (1 - epsilon) * hot + epsilon / 2 * (1 - hot)
    for smoothing, q in [("all", over_all), ("others", over_others)]:
        value = losses.cross_entropy(logits, LABELS, label_smoothing=epsilon, smoothing=smoothing, reduction="none")
        torch.testing.assert_close(value, -(q * log_p).sum(dim=1), atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(
        losses.cross_entropy(logits, LABELS, label_smoothing=epsilon),
        torch.nn.functional.cross_entropy(logits, LABELS, label_smoothing=epsilon),
        atol=1e-12,
        rtol=1e-12,
    )


def test_label_smoothing_defaults_to_all():
    value = losses.cross_entropy(embeddings(), LABELS, label_smoothing=0.2)
    assert value == losses.cross_entropy(embeddings(), LABELS, label_smoothing=0.2, smoothing="all")
    assert value != losses.cross_entropy(embeddings(), LABELS, label_smoothing=0.2, smoothing="others")


# labels


@pytest.mark.parametrize(
    "names",
    [
        [2**63 - 1, -(2**63), 0],
        [2**63 - 1, 2**63 - 2, 2**63 - 3],
        [-(2**63), -(2**63) + 1, 5],
        [2**24, 2**24 + 1, 2**24 + 2],  # one number in float32
        [2**53, 2**53 + 1, 2**53 + 2],  # one number in float64
        [2**62, 2**62 + 1, -(2**62)],
        [0, 2**32, 2**33],  # one number in 32 bits
        [1, 257, 513],  # one number in 8 bits
    ],
)
@each_free
def test_large_labels_are_kept_apart(name, names):
    labels = torch.tensor(names)[LABELS]
    assert len(labels.unique()) == 3
    for options in [{"reduction": "none"}, {}] if name in REDUCED else [{}]:
        value, gradients = value_and_gradients(name, embeddings(), labels, torch.float64, **options)
        expected, expected_gradients = value_and_gradients(name, embeddings(), LABELS, torch.float64, **options)
        torch.testing.assert_close(value, expected, atol=1e-12, rtol=1e-12)
        torch.testing.assert_close(gradients, expected_gradients, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "names"), [(torch.int8, [-128, 127, 0]), (torch.uint8, [255, 128, 0])])
@each_free
def test_labels_at_the_ends_of_narrow_types(name, dtype, names):
    labels = torch.tensor(names, dtype=dtype)[LABELS]
    torch.testing.assert_close(ALL[name](embeddings(), labels), ALL[name](embeddings(), LABELS))


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8])
def test_more_classes_than_a_narrow_type_could_count_pairs_of(dtype):
    """100 rows of 100 classes, in a type whose products and sums would wrap around."""
    rows = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(100) // 2
    for name in FREE:
        torch.testing.assert_close(ALL[name](rows, labels.to(dtype)), ALL[name](rows, labels))


# how the input lies in memory, and what asks for a gradient


def strided(x):
    """The same numbers, every other element of a larger tensor that holds something else."""
    wide = torch.full([2 * size for size in x.shape], math.nan if x.is_floating_point() else 77, dtype=x.dtype)
    return wide[tuple(slice(None, None, 2) for _ in x.shape)].copy_(x)


def transposed(x):
    return x.mT.contiguous().mT if x.ndim > 1 else strided(x)


def expanded(x):
    """A view with a stride of 0 somewhere, of which only one slice is read."""
    return x.unsqueeze(0).expand(2, *x.shape)[1]


@pytest.mark.parametrize("layout", [strided, transposed, expanded])
@each_loss
def test_layout_in_memory(name, layout):
    loss = ALL[name]
    rows, held = layout(embeddings().double()), {key: layout(value.double()) for key, value in loss.fixed.items()}
    labels = layout(LABELS)
    leaves = [leaf.requires_grad_() for leaf in (rows, *held.values())]
    value = loss(rows, labels, **held)
    expected, expected_gradients = value_and_gradients(name, embeddings(), dtype=torch.float64)
    torch.testing.assert_close(value, expected, atol=1e-12, rtol=1e-12)
    gradients = torch.autograd.grad(value, leaves)
    torch.testing.assert_close(gradients, expected_gradients, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", [name for name, loss in ALL.items() if loss.parameters])
def test_gradients_of_some_leaves_only(name):
    """Frozen embeddings under learned proxies, and the other way round."""
    loss = ALL[name]
    _, (to_rows, *to_held) = value_and_gradients(name, embeddings())
    held = {key: value.clone().requires_grad_() for key, value in loss.fixed.items()}
    value = loss(embeddings(), LABELS, **held)
    torch.testing.assert_close(list(torch.autograd.grad(value, list(held.values()))), to_held, atol=1e-6, rtol=1e-5)
    for key in held:  # each parameter alone
        alone = held[key].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(embeddings(), LABELS, **{key: alone}), alone)
        torch.testing.assert_close(gradient, to_held[list(held).index(key)], atol=1e-6, rtol=1e-5)
    rows = embeddings().requires_grad_()
    torch.testing.assert_close(torch.autograd.grad(loss(rows, LABELS), rows)[0], to_rows, atol=1e-6, rtol=1e-5)


@each_loss
def test_nothing_is_changed_in_place(name):
    loss = ALL[name]
    rows, labels = embeddings(), LABELS.clone()
    held = {key: value.clone() for key, value in loss.fixed.items()}
    loss(rows, labels, **held)
    assert torch.equal(rows, embeddings())
    assert torch.equal(labels, LABELS)
    assert all(torch.equal(held[key], loss.fixed[key]) for key in held)


@each_loss
def test_without_a_gradient(name):
    expected = ALL[name](embeddings().requires_grad_(), LABELS)
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            value = ALL[name](embeddings(), LABELS)
        assert not value.requires_grad
        assert value == expected
    assert expected.requires_grad


@each_loss
def test_two_calls_give_the_same(name):
    one, two = value_and_gradients(name, embeddings()), value_and_gradients(name, embeddings())
    torch.testing.assert_close(one, two, atol=0, rtol=0)


# blocks of sup_con, and views


@pytest.mark.parametrize("block", [1, 2, 3, 5, 10, 11, 12])
@pytest.mark.parametrize("labels", [[0, 1, 2, 1, 0, 2, 2, 0, 3, 1, 0], [0] * 11, list(range(11)), [0] * 5 + [1] * 6])
def test_blocks_of_sup_con(monkeypatch, block, labels):
    """Rows that do not divide evenly, whole blocks without a positive, and one block that holds everything."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(11, 3, generator=generator, dtype=torch.float64)
    weights = torch.rand(11, generator=generator, dtype=torch.float64)
    sides = []
    for size in (1024, block):
        monkeypatch.setattr(neighbors, "_BLOCK", size)
        own = rows.clone().requires_grad_()
        value = losses.sup_con(own, torch.tensor(labels), reduction="none")
        sides.append((value, torch.autograd.grad((weights * value).sum(), own)[0]))
    torch.testing.assert_close(sides[1], sides[0], atol=1e-12, rtol=1e-12)
    if len(set(labels)) < 11:
        assert (sides[0][1] != 0).any()


def test_blocks_of_sup_con_are_used(monkeypatch):
    """Otherwise the test above would compare one block with one block."""
    seen = []
    blocks = neighbors._blocks

    def spy(*arguments):
        for rows, columns, similarity in blocks(*arguments):
            seen.append((rows, columns))
            yield rows, columns, similarity

    monkeypatch.setattr(neighbors, "_BLOCK", 3)
    monkeypatch.setattr(neighbors, "_blocks", spy)
    losses.sup_con(torch.randn(11, 3, generator=torch.Generator().manual_seed(0)), torch.arange(11) // 2)
    assert len(seen) == 4 * 5 // 2  # on and above the diagonal of 4 × 4


@pytest.mark.parametrize("block", [2, 5, 1024])
def test_blocks_of_sup_con_with_zero_and_equal_rows(monkeypatch, block):
    monkeypatch.setattr(neighbors, "_BLOCK", block)
    rows = torch.zeros(11, 3)
    rows[3:] = embeddings()[[0, 0, 0, 1, 1, 2, 3, 4]]
    rows.requires_grad_()
    value = losses.sup_con(rows, torch.arange(11) % 3, temperature=0.01)
    (gradient,) = torch.autograd.grad(value, rows)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert (gradient[:3] == 0).all()


@pytest.mark.parametrize("views", [2, 3])
@each_free
def test_views_are_rows_with_the_same_label(name, views):
    """Views next to one another or one batch after another: it is the same loss."""
    rows = torch.randn(6, views, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = ALL[name]
    one = loss(rows.flatten(0, 1), LABELS.repeat_interleave(views))
    other = loss(rows.transpose(0, 1).flatten(0, 1), LABELS.repeat(views))
    torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(
    "name", [name for name, loss in ALL.items() if loss.has("free") and name != "contrast of snca"]
)
def test_every_pair_of_rows(name):
    """Two rows, alike or not, of one class or of two: the smallest batches with a pair."""
    points = [
        torch.zeros(3),
        torch.tensor([1.0, 0.0, 0.0]),
        torch.tensor([-1.0, 0.0, 0.0]),
        torch.tensor([1e-20, 0, 0]),
    ]
    for one, other in itertools.product(points, points):
        for labels in ([0, 0], [0, 1]):
            assert_finite(name, torch.stack([one, other]), torch.tensor(labels))
