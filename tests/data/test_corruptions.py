"""Corruptions against slow loops in float64, their statistics, and what makes them repeatable."""

import colorsys
import doctest
import math
import pickle
import zlib
from pathlib import Path

import numpy
import PIL.Image
import pytest
import scipy.ndimage
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from dmlkit.data import corruptions
from dmlkit.data.corruptions import CORRUPTIONS, SEVERITIES, Corruption
from dmlkit.data.drawn_bird import example_image

each_corruption = pytest.mark.parametrize("name", CORRUPTIONS)
each_severity = pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pattern(*shape):
    """Whole numbers only, so the same everywhere."""
    return (torch.arange(math.prod(shape)) * 7919 % 257 % 256).to(torch.uint8).reshape(shape)


def drawn(shape, generator):
    return torch.rand(shape, generator=generator, dtype=torch.float64).numpy()


# What each does to one image, a pixel at a time. `x` is (C, H, W) in float64.


def slow_gaussian_noise(x, deviation, generator):
    return x + deviation * torch.randn(x.shape, generator=generator, dtype=torch.float64).numpy()


def slow_uniform_noise(x, half, generator):
    return x + numpy.interp(drawn(x.shape, generator), [0, 1], [-half, half])


def slow_salt_and_pepper(x, share, generator):
    y = x.copy()
    for (row, column), u in numpy.ndenumerate(drawn(x.shape[1:], generator)):
        if u < share / 2:
            y[:, row, column] = 0
        elif u >= 1 - share / 2:
            y[:, row, column] = 1
    return y


def slow_pixel_dropout(x, share, generator):
    y = x.copy()
    for (row, column), u in numpy.ndenumerate(drawn(x.shape[1:], generator)):
        y[:, row, column] *= u >= share
    return y


def slow_cutout(x, share, generator):
    height, width = x.shape[1:]
    side = max(1, round(share * min(height, width)))
    u, v = drawn((2,), generator)
    top, left = math.floor(u * (height - side + 1)), math.floor(v * (width - side + 1))
    y = x.copy()
    for row in range(height):
        for column in range(width):
            if top <= row < top + side and left <= column < left + side:
                y[:, row, column] = 0.5
    return y


def slow_affine_shear(x, degrees, generator):
    sign = 1 if drawn((), generator) < 0.5 else -1
    height, width = x.shape[1:]
    y = numpy.zeros_like(x)
    for row in range(height):
        # A row above the middle comes from the left where the slant is to the right.
        slide = math.tan(math.radians(sign * degrees)) * (row - (height - 1) / 2)
        for column in range(width):
            place = column + slide
            left = math.floor(place)
            for source, weight in ((left, left + 1 - place), (left + 1, place - left)):
                if 0 <= source < width:
                    y[:, row, column] += weight * x[:, row, source]
    return y


def slow_jigsaw(x, grid, generator):
    height, width = x.shape[1:]
    rows, columns = min(grid, height), min(grid, width)
    tall, wide = height // rows, width // columns
    top, left = (height - rows * tall) // 2, (width - columns * wide) // 2
    order = numpy.argsort(drawn((rows * columns,), generator))
    y = x.copy()

    def piece(k):
        row, column = top + k // columns * tall, left + k % columns * wide
        return numpy.s_[:, row : row + tall, column : column + wide]

    for i, target in enumerate(order):
        y[piece(target)] = x[piece(order[i - 1])]
    return y


def slow_hue_and_saturation(x, strength, generator):
    degrees, amount = strength
    turn, change = ((1 if drawn((), generator) < 0.5 else -1) * size for size in (degrees, amount))
    if len(x) == 1:
        return x
    y = x.copy()
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            hue, saturation, value = colorsys.rgb_to_hsv(*x[:, row, column])
            if saturation > 0:
                saturation = min(1, max(0, saturation + change))
                y[:, row, column] = colorsys.hsv_to_rgb((hue + turn / 360) % 1, saturation, value)
    return y


def slow_defocus_blur(x, radius, generator):
    radius = radius * min(x.shape[1:]) / 224
    reach = math.ceil(radius + 1)
    kernel = numpy.zeros((2 * reach + 1, 2 * reach + 1))
    for (row, column), _ in numpy.ndenumerate(kernel):
        kernel[row, column] = min(1, max(0, radius + 0.5 - math.hypot(row - reach, column - reach)))
    kernel /= kernel.sum()
    return numpy.stack([scipy.ndimage.correlate(channel, kernel, mode="mirror") for channel in x])


def slow(name, image, severity, generator):
    x = image.double().numpy()
    y = globals()[f"slow_{name}"](x, SEVERITIES[name][severity - 1], generator)
    return torch.from_numpy(y).clamp(0, 1)


@each_severity
@each_corruption
@pytest.mark.parametrize("shape", [(3, 30, 41), (1, 23, 12), (3, 2, 3), (1, 1, 1), (3, 1, 9)])
def test_slow_loop(name, severity, shape):
    image = torch.rand(shape, generator=seeded(1), dtype=torch.float64)
    found = CORRUPTIONS[name](image, severity, seeded(2))
    torch.testing.assert_close(found, slow(name, image, severity, seeded(2)), atol=1e-12, rtol=0)


@each_corruption
def test_other_seeds_of_the_loop(name):
    """Both signs of what is turned or slanted, and other places."""
    image = torch.rand((3, 14, 11), generator=seeded(1), dtype=torch.float64)
    for seed in range(8):
        found = CORRUPTIONS[name](image, 4, seeded(seed))
        torch.testing.assert_close(found, slow(name, image, 4, seeded(seed)), atol=1e-12, rtol=0)


@each_corruption
def test_eight_bits_are_the_nearest_level(name):
    image = pattern(3, 40, 31)
    found = CORRUPTIONS[name](image, 3, seeded())
    exact = slow(name, image.double() / 255, 3, seeded()) * 255
    assert found.dtype == torch.uint8
    assert (found.double() - exact).abs().max() <= 0.5 + 1e-6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@each_corruption
def test_every_precision_is_computed_in_float64(name, dtype):
    image = torch.rand((3, 12, 10), generator=seeded()).to(dtype)
    found = CORRUPTIONS[name](image, 2, seeded())
    assert found.dtype == dtype
    assert torch.equal(found, CORRUPTIONS[name](image.double(), 2, seeded()).to(dtype))


def moments(difference):
    """Mean and variance, each with its standard error."""
    d, n = difference.flatten().double(), difference.numel()
    variance = d.var()
    fourth = (d - d.mean()).pow(4).mean()
    return (d.mean(), (variance / n).sqrt()), (variance, ((fourth - variance**2) / n).sqrt())


@pytest.mark.parametrize(
    ("name", "variance"), [("gaussian_noise", lambda s: s**2), ("uniform_noise", lambda a: a**2 / 3)]
)
def test_moments_of_noise(name, variance):
    image = torch.full((3, 300, 300), 0.5, dtype=torch.float64)
    strength = SEVERITIES[name][0]  # the weakest: hardly anything is clipped
    noise = CORRUPTIONS[name](image, 1, seeded()) - image
    for (found, error), expected in zip(moments(noise), (0, variance(strength)), strict=True):
        assert abs(found - expected) < 5 * error
    # Independent from value to value: next in the row, next in the column, next channel.
    for other in (noise.roll(1, 2), noise.roll(1, 1), noise.roll(1, 0)):
        correlation = (noise * other).mean() / noise.var()
        assert abs(correlation) < 5 / math.sqrt(noise.numel())
    if name == "uniform_noise":
        assert noise.abs().max() <= strength
        assert noise.abs().max() > 0.999 * strength


@each_severity
def test_amounts_of_salt_pepper_and_dropout(severity):
    image = torch.full((3, 400, 400), 0.5)
    pixels = 400 * 400

    def close(count, share):
        return abs(count - share * pixels) < 5 * math.sqrt(share * (1 - share) * pixels)

    found = CORRUPTIONS["salt_and_pepper"](image, severity, seeded())
    share = SEVERITIES["salt_and_pepper"][severity - 1]
    for level in (0, 1):
        replaced = found == level
        assert torch.equal(replaced.all(0), replaced.any(0))  # all channels of a pixel together
        assert close(replaced[0].sum().item(), share / 2)
    assert (found == 0.5).sum() + (found == 0).sum() + (found == 1).sum() == image.numel()
    found = CORRUPTIONS["pixel_dropout"](image, severity, seeded())
    dropped = found == 0
    assert torch.equal(dropped.all(0), dropped.any(0))
    assert close(dropped[0].sum().item(), SEVERITIES["pixel_dropout"][severity - 1])


@pytest.mark.parametrize("size", [(50, 80), (80, 50), (7, 7)])
@each_severity
def test_cutout_lies_inside_and_is_anywhere(severity, size):
    side = round(SEVERITIES["cutout"][severity - 1] * min(size))
    image, generator = torch.zeros(1, *size), seeded()
    seen = torch.zeros(size)
    for _ in range(200):
        covered = CORRUPTIONS["cutout"](image, severity, generator)[0] == 0.5
        assert covered.sum() == side * side
        seen += covered
    # The corners come one time in so many; the edges far more often.
    assert all(edge.any() for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1]))


@pytest.mark.parametrize("name", ["affine_shear", "hue_and_saturation"])
def test_both_signs_are_equally_likely(name):
    image, generator = pattern(3, 4, 4), seeded()
    results = [CORRUPTIONS[name](image, 5, generator).numpy().tobytes() for _ in range(400)]
    kinds = sorted(set(results))
    assert len(kinds) == {"affine_shear": 2, "hue_and_saturation": 4}[name]
    for kind in kinds:
        share = 1 / len(kinds)
        assert abs(results.count(kind) - share * 400) < 5 * math.sqrt(share * (1 - share) * 400)


def pieces_of(image, grid):
    """The pieces of an image that the grid divides, as bytes, from left to right and top to bottom."""
    return [part.numpy().tobytes() for rows in image.tensor_split(grid, 1) for part in rows.tensor_split(grid, 2)]


@each_severity
def test_no_piece_of_the_jigsaw_stays(severity):
    grid = SEVERITIES["jigsaw"][severity - 1]
    image = torch.arange(3 * (4 * grid) ** 2).reshape(3, 4 * grid, 4 * grid).double() / 1e6
    before = pieces_of(image, grid)
    seen = set()
    for seed in range(20):
        after = pieces_of(CORRUPTIONS["jigsaw"](image, severity, seeded(seed)), grid)
        assert sorted(after) == sorted(before)
        assert all(old != new for old, new in zip(before, after, strict=True))
        seen.add(tuple(after))
    assert len(seen) == 20


@pytest.mark.parametrize("size", [(7, 11), (224, 224), (3, 50), (29, 10), (1, 2)])
@each_severity
def test_the_jigsaw_loses_no_pixel(severity, size):
    height, width = size
    image = (torch.arange(height * width).reshape(1, height, width).double()) / (height * width)
    found = CORRUPTIONS["jigsaw"](image, severity, seeded())
    assert sorted(found.flatten().tolist()) == image.flatten().tolist()
    # What stays is the left-over border and nothing else.
    grid = SEVERITIES["jigsaw"][severity - 1]
    rows, columns = min(grid, height), min(grid, width)
    moved = (height - height % rows) * (width - width % columns)
    assert (found != image).sum() == moved


@each_severity
def test_grey_has_no_hue(severity):
    turned = CORRUPTIONS["hue_and_saturation"]
    for grey in (pattern(1, 9, 8), pattern(1, 9, 8).expand(3, -1, -1)):
        for seed in range(8):  # saturation goes up with some, down with others
            assert torch.equal(turned(grey, severity, seeded(seed)), grey)
    # Coloured pixels keep their value.
    image = pattern(3, 9, 8)
    found = turned(image, severity, seeded())
    assert torch.equal(found.amax(0), image.amax(0))
    assert not torch.equal(found, image)


@each_severity
def test_blur_of_a_constant_a_point_and_a_larger_copy(severity):
    flat = torch.full((3, 40, 50), 77, dtype=torch.uint8)
    assert torch.equal(CORRUPTIONS["defocus_blur"](flat, severity, seeded()), flat)
    point = torch.zeros(1, 224, 224, dtype=torch.float64)
    point[0, 112, 112] = 1
    disc = CORRUPTIONS["defocus_blur"](point, severity, seeded())[0]
    radius = SEVERITIES["defocus_blur"][severity - 1]
    assert disc.sum() == pytest.approx(1, abs=1e-12)
    assert disc[112, 112 + radius] == pytest.approx(disc[112, 112].item() / 2, abs=1e-12)
    assert disc[112, 112 + radius + 1] == pytest.approx(0, abs=1e-12)
    # Relative to the size: the disc covers the same share of an image twice as large.
    larger = torch.zeros(1, 448, 500, dtype=torch.float64)
    larger[0, 224, 250] = 1
    disc = CORRUPTIONS["defocus_blur"](larger, severity, seeded())[0]
    assert disc[224, 250 + 2 * radius] == pytest.approx(disc[224, 250].item() / 2, abs=1e-12)


@pytest.fixture(scope="module")
def picture():
    return example_image(96)


@each_corruption
def test_severities_grow(name, picture):
    assert len(SEVERITIES[name]) == 5
    assert list(SEVERITIES[name]) == sorted(set(SEVERITIES[name]))
    changes = []
    for severity in range(1, 6):
        found = Corruption(name, severity)(picture)
        if name == "jigsaw":
            # Pieces move anyhow; what grows is how many neighbours are torn apart.
            row, column = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
            places = CORRUPTIONS[name](torch.stack((row, row, column)).double() / 96, severity, seeded()) * 96
            steps = torch.cat([places.diff(dim=1).abs().sum(0).flatten(), places.diff(dim=2).abs().sum(0).flatten()])
            changes.append((steps.round() > 2).double().mean().item())
        else:
            changes.append((found.double() - picture.double()).abs().mean().item())
        assert not torch.equal(found, picture)
    assert changes == sorted(set(changes))
    assert changes[0] > 0


@each_corruption
def test_the_names_agree(name):
    assert CORRUPTIONS[name].__name__ == name
    assert CORRUPTIONS[name] is getattr(corruptions, name)
    assert set(SEVERITIES) == set(CORRUPTIONS)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 1, 1), (3, 2, 3), (1, 1, 5), (3, 6, 4), (2, 3, 5, 4), (1, 1, 2, 2)])
@each_corruption
def test_shape_dtype_range_and_no_mutation(name, shape, dtype):
    image = pattern(*shape) if dtype == torch.uint8 else pattern(*shape) / 255
    before = image.clone()
    for severity in (1, 5):
        for found in (CORRUPTIONS[name](image, severity, seeded()), Corruption(name, severity)(image)):
            assert found.shape == image.shape
            assert found.dtype == dtype
            assert 0 <= found.min() <= found.max() <= (255 if dtype == torch.uint8 else 1)
            assert found.data_ptr() != image.data_ptr()
            found.zero_()
            assert torch.equal(image, before)


@each_corruption
def test_no_mutation_of_what_needs_no_conversion(name):
    """float64 on the CPU is what is computed in, so nothing but care keeps it from being written to."""
    image = pattern(3, 12, 13).double() / 255
    before = image.clone()
    CORRUPTIONS[name](image, 5, seeded()).zero_()
    assert torch.equal(image, before)


@each_corruption
def test_not_contiguous_and_with_gradient(name):
    image = pattern(3, 12, 10) / 255
    strided = image.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    assert not strided.is_contiguous()
    found = Corruption(name, 3)(strided)
    assert not found.requires_grad
    assert torch.equal(found, Corruption(name, 3)(image))


@each_corruption
def test_a_batch_is_its_images_in_turn(name):
    images, generator = pattern(4, 3, 9, 11), seeded()
    batch = CORRUPTIONS[name](images, 4, seeded())
    assert torch.equal(batch, torch.stack([CORRUPTIONS[name](image, 4, generator) for image in images]))
    # As a transform each image is on its own, so order and batch do not matter.
    transform = Corruption(name, 4)
    alone = torch.stack([transform(image) for image in images])
    assert torch.equal(transform(images), alone)
    assert torch.equal(transform(images.flip(0)), alone.flip(0))


@each_corruption
def test_the_seed_is_all_there_is(name, picture):
    torch.manual_seed(0)
    found = Corruption(name, 2, seed=5)(picture)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    again = pickle.loads(pickle.dumps(Corruption(name, 2, seed=5)))(picture)
    assert torch.equal(found, again)
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)  # the global generator did not move
    if name != "defocus_blur":
        others = [Corruption(name, 2, seed=seed)(picture) for seed in range(6, 16)]
        assert any(not torch.equal(found, other) for other in others)


def test_other_images_other_noise(picture):
    """One level in one pixel is another image; the severity is the same noise, only stronger."""
    near = picture.clone()
    near[0, 0, 0] ^= 1
    for other in (near, picture.flip(1), picture[:, :, :-1]):
        masks = [Corruption("pixel_dropout", 5)(image.clamp(min=1))[0] == 0 for image in (picture, other)]
        assert not torch.equal(masks[0][:, :95], masks[1][:, :95])
    # The name counts, too: pepper is not a part of the dropped pixels.
    dropped = [(Corruption("pixel_dropout", s)(picture.clamp(min=1)) == 0).all(0) for s in (3, 4)]
    assert (dropped[0] <= dropped[1]).all()
    peppered = (Corruption("salt_and_pepper", 5)(picture.clamp(min=1)) == 0).all(0)
    assert not (peppered <= dropped[1]).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@each_corruption
def test_pil_images_and_tensors_agree(name, mode):
    array = pattern(14, 11, 3).numpy() if mode == "RGB" else pattern(14, 11).numpy()
    image = PIL.Image.fromarray(array)
    before, transform = image.tobytes(), Corruption(name, 3)
    found = transform(image)
    assert isinstance(found, PIL.Image.Image)
    assert (found.mode, found.size, image.tobytes()) == (mode, (11, 14), before)
    tensor = torch.from_numpy(array).reshape(14, 11, -1).permute(2, 0, 1)
    expected = transform(tensor)
    assert torch.equal(torch.from_numpy(numpy.array(found)).reshape(14, 11, -1).permute(2, 0, 1), expected)
    # Floating point has the same random numbers, and differs by rounding alone.
    torch.testing.assert_close(transform(tensor / 255) * 255, expected.float(), atol=0.501, rtol=0)


@each_corruption
def test_tv_tensors(name):
    for image in (pattern(3, 8, 9), pattern(2, 3, 8, 9)):
        found = Corruption(name, 5)(tv_tensors.Image(image))
        assert type(found) is tv_tensors.Image
        assert torch.equal(found.as_subclass(torch.Tensor), Corruption(name, 5)(image))
        assert type(CORRUPTIONS[name](tv_tensors.Image(image), 5, seeded())) is tv_tensors.Image


def test_in_a_pipeline():
    image = PIL.Image.fromarray(pattern(40, 60, 3).numpy())
    corruption = Corruption("gaussian_noise", 3, seed=7)
    steps = [v2.Resize(32), v2.CenterCrop(28), corruption, v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    found = v2.Compose(steps)(image)
    assert found.shape == (3, 28, 28)
    assert repr(corruption) == "Corruption(name='gaussian_noise', severity=3, seed=7)"


# CRC-32 of what severity 4 makes of a pattern. A new number here is a new benchmark: old results no longer compare.
CHECKSUMS = {
    "gaussian_noise": 2144887996,
    "uniform_noise": 4061662081,
    "salt_and_pepper": 1917230654,
    "pixel_dropout": 3644432622,
    "cutout": 3385746804,
    "affine_shear": 367921949,
    "jigsaw": 977109912,
    "hue_and_saturation": 1642045730,
    "defocus_blur": 1443047894,
}


@each_corruption
def test_same_bytes_on_every_machine(name):
    found = Corruption(name, 4, seed=1)(pattern(2, 3, 48, 37))
    assert zlib.crc32(found.numpy().tobytes()) == CHECKSUMS[name]


def test_example_image():
    image = example_image(64)
    assert image.shape == (3, 64, 64)
    assert image.dtype == torch.uint8
    assert torch.equal(image, example_image(64))
    # The same picture at every size: a larger one made small again is close.
    larger = v2.functional.resize(example_image(128), [64, 64], antialias=True)
    assert (larger.double() - image.double()).abs().mean() < 4
    # Light and dark, strong colours, and detail at the finest scale.
    assert image.min() < 25
    assert image.max() > 230
    assert (image.amax(0).int() - image.amin(0).int()).max() > 150
    assert image.double().diff(dim=2).abs().mean() > 3
    assert example_image(1).shape == (3, 1, 1)


@pytest.mark.parametrize(
    ("image", "error", "says"),
    [
        (numpy.zeros((3, 4, 4)), TypeError, "image must be a .*torch.Tensor, found ndarray"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), TypeError, "image must have dtype uint8 .* found torch.int64"),
        (torch.zeros(3, 4, 4, dtype=torch.bool), TypeError, "found torch.bool"),
        (torch.zeros(4, 4), ValueError, r"image must have shape .* found \(4, 4\)"),
        (torch.zeros(4, 4, 3), ValueError, r"found \(4, 4, 3\)"),
        (torch.zeros(2, 4, 4), ValueError, "with 1 or 3 channels"),
        (torch.zeros(3, 0, 4), ValueError, r"found \(3, 0, 4\)"),
        (torch.zeros(0, 3, 4, 4), ValueError, r"found \(0, 3, 4, 4\)"),
        (torch.zeros(1, 1, 3, 4, 4), ValueError, "image must have shape"),
        (torch.full((3, 4, 4), 1.5), ValueError, "image must lie in 0 … 1 .*normalising.*, found 1.5 … 1.5"),
        (torch.full((3, 4, 4), -0.1), ValueError, "image must lie in 0 … 1"),
        (torch.full((3, 4, 4), math.nan), ValueError, "image must lie in 0 … 1 .* nan"),
    ],
)
@each_corruption
def test_errors_of_images(name, image, error, says):
    with pytest.raises(error, match=says):
        CORRUPTIONS[name](image, 1, seeded())
    with pytest.raises(error, match=says):
        Corruption(name, 1)(image)


@pytest.mark.parametrize("mode", ["RGBA", "P", "1", "CMYK"])
def test_errors_of_pil_images(mode):
    with pytest.raises(ValueError, match=f"image must be a PIL image of mode RGB or L, found {mode}"):
        Corruption("cutout", 1)(PIL.Image.new(mode, (4, 4)))


@pytest.mark.parametrize(
    ("severity", "error", "says"),
    [
        (0, ValueError, "severity must lie in 1 … 5, found 0"),
        (6, ValueError, "severity must lie in 1 … 5, found 6"),
        (2.0, TypeError, "severity must be an integer, found float"),
        (True, TypeError, "severity must be an integer, found bool"),
    ],
)
@each_corruption
def test_errors_of_severity(name, severity, error, says):
    with pytest.raises(error, match=says):
        CORRUPTIONS[name](torch.zeros(3, 4, 4), severity, seeded())
    with pytest.raises(error, match=says):
        Corruption(name, severity)


@each_corruption
def test_errors_of_the_generator(name):
    with pytest.raises(TypeError, match="generator must be a torch.Generator, found int"):
        CORRUPTIONS[name](torch.zeros(3, 4, 4), 1, 0)


def test_errors_of_the_transform():
    with pytest.raises(ValueError, match="name must be one of gaussian_noise, .*'jigsw': did you mean 'jigsaw'"):
        Corruption("jigsw", 1)
    with pytest.raises(ValueError, match="defocus_blur, found 'rain'$"):
        Corruption("rain", 1)
    with pytest.raises(TypeError, match="name must be a string, found list"):
        Corruption(["cutout"], 1)
    for seed in (0.5, None, True):
        with pytest.raises(TypeError, match="seed must be an integer"):
            Corruption("cutout", 1, seed=seed)


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-3, ValueError), (8.0, TypeError), (True, TypeError)])
def test_errors_of_the_example(size, error):
    with pytest.raises(error, match="size must be"):
        example_image(size)


def test_every_public_function_says_what_it_does():
    source = Path(corruptions.__file__).read_text(encoding="utf-8")
    for name in CORRUPTIONS:
        assert f'SEVERITIES["{name}"][severity - 1]' in CORRUPTIONS[name].__doc__
        assert source.count(f'_strength("{name}", severity)') == 1


def test_examples():
    done = doctest.testmod(corruptions)
    assert done.attempted > 0
    assert done.failed == 0
