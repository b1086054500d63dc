"""What explorers share: the book's colours and marks, and axes with round numbers."""

from __future__ import annotations

import math

import pytest

from dmlkit import plotting


@pytest.fixture(scope="module")
def folder(root):
    return (root / "dmlkit/explorers").as_uri()


def test_colours_and_marks_are_the_books(node, folder):
    shared = node(f"""
        import {{ PALETTE, MARKERS, DASHES }} from "{folder}/canvas.js";
        console.log(JSON.stringify([PALETTE, MARKERS, DASHES]));
    """)
    assert tuple(shared[0]) == plotting.PALETTE
    assert tuple(shared[1]) == plotting.MARKERS[: len(shared[1])] and len(shared[1]) == len(shared[0])
    assert len({tuple(dash) for dash in shared[2]}) == len(shared[0])


def ticks(node, folder, kind, low, high, count):
    return node(f"""
        import {{ {kind} }} from "{folder}/chart.js";
        console.log(JSON.stringify({kind}({low}, {high}, {count})));
    """)


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-1, 1, 4, [-1, -0.5, 0, 0.5, 1]),
        (0, 0.3, 3, [0, 0.1, 0.2, 0.3]),
        (3, 47, 4, [20, 40]),
    ],
)
def test_round_ticks(node, folder, low, high, count, expected):
    assert ticks(node, folder, "roundTicks", low, high, count) == expected


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0.001, 10, 8, [0.001, 0.01, 0.1, 1, 10]),
        (1, 100, 8, [1, 10, 100]),
        (0.2, 3, 8, [0.2, 0.5, 1, 2]),
        (1e-8, 1, 3, [1e-6, 1e-3, 1]),
        (2.2, 4.4, 4, [3, 4]),
    ],
)
def test_logarithmic_ticks(node, folder, low, high, count, expected):
    assert ticks(node, folder, "logTicks", low, high, count) == expected


def test_ticks_lie_inside_the_axis_for_any_range(node, folder):
    found = node(f"""
        import {{ roundTicks, logTicks }} from "{folder}/chart.js";
        const ranges = [];
        for (let k = 0; k < 400; k++) {{
          const from = 10 ** (k % 13 - 7) * (1 + (k % 7)), to = from * (1.05 + (k % 11) ** 4);
          for (const count of [2, 5, 9])
            ranges.push([from, to, roundTicks(from, to, count), logTicks(from, to, count)]);
        }}
        console.log(JSON.stringify(ranges));
    """)
    for low, high, *both in found:
        for values in both:
            assert values and values == sorted(set(values)) and len(values) <= 20
            assert low * (1 - 1e-6) <= values[0] and values[-1] <= high * (1 + 1e-6)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (-0.5, "−0.5"), (0.30000000000000004, "0.3"), (1e-5, "10⁻⁵"), (1e6, "10⁶"), (0.001, "0.001")],
)
def test_tick_text(node, folder, value, expected):
    assert node(f'import {{ tickText }} from "{folder}/chart.js"; console.log(JSON.stringify(tickText({value})));') == (
        expected
    )


def test_points_are_kept_on_the_unit_circle(node, folder):
    found = node(f"""
        import {{ onCircle }} from "{folder}/plane.js";
        console.log(JSON.stringify([[3, 4], [-0.1, 0], [0, 0]].map(onCircle)));
    """)
    assert all(math.hypot(*point) == pytest.approx(1) for point in found)
    assert found[0] == pytest.approx([0.6, 0.8])
