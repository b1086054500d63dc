"""The explorer's runs are those of dmlkit.landscape.train_particles, step by step, from the same start."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pytest
import torch

from dmlkit.explorers import host, particles
from dmlkit.explorers.particles import CHOICES, RANGES, RATES, SHARPER, run_of, scatter
from dmlkit.landscape import train_particles
from dmlkit.losses import euclidean_softmax, norm_softmax, warped_softmax

STEPS = 50


def draws() -> list[dict]:
    """Starts, settings and rules of the three losses, well over what the explorer offers."""
    random = np.random.default_rng(5)
    found = []
    for k in range(36):
        classes, count = int(random.integers(2, 6)), int(random.integers(6, 30))
        labels = random.integers(0, classes, size=count)
        kind = ("Euclidean", "cosine", "warped")[k % 3]
        setting = {"scale": float(random.choice([0.5, 1, 2, 4])), "r": 1.0, "alpha": 1.0, "beta": 1.0, "margin": 1.0}
        if kind == "warped":
            setting |= {"alpha": random.uniform(0, 1.2), "beta": random.uniform(0.5, 2), "r": random.uniform(0.3, 2)}
            setting["margin"] = float(random.choice([1, 1.5, 3]))
        found.append(
            {
                "points": random.normal(size=(count, 2)).tolist(),
                "proxies": (0.7 * random.normal(size=(classes, 2))).tolist(),
                "labels": labels.tolist(),
                "loss": kind,
                "setting": setting,
                "rule": {
                    "optimizer": "sgd" if k % 2 else "adam",
                    "lr": float(10 ** random.uniform(-2, -1)),
                    "proxyLr": float(10 ** random.uniform(-2, 0)),
                    "eps": float(random.choice([1e-8, 1.0])),
                },
                # From half way on: another r, T and rate, Adam anew.
                "second": {"r": 0.6, "scale": 1.0},
            }
        )
    return found


DRAWS = draws()
LOSSES = {"Euclidean": euclidean_softmax, "cosine": norm_softmax, "warped": warped_softmax}


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/particles_arithmetic.js").as_uri()


@pytest.fixture(scope="module")
def measured(node, arithmetic):
    return node(f"""
        import {{ advance, begin, forget, separationOf, slopesOf }} from "{arithmetic}";
        const draws = {json.dumps(DRAWS)};
        console.log(JSON.stringify(draws.map(({{ points, proxies, labels, loss, setting, rule, second }}) => {{
          const run = begin({{ points: points.flat(), proxies: proxies.flat(), labels }});
          const kind = loss === "cosine" ? "cosine" : "distance";
          const said = [];
          const keep = () => said.push({{ e: [...run.e], p: [...run.p] }});
          const seen = [];
          for (let step = 0; step < {STEPS}; step++) {{ seen.push(advance(run, kind, setting, rule)); keep(); }}
          seen.push(slopesOf(run, kind, setting));
          forget(run);
          const then = {{ ...setting, ...second }};
          for (let step = 0; step < {STEPS}; step++) {{ advance(run, kind, then, rule); keep(); }}
          return {{ said, seen, apart: separationOf(run) }};
        }})));
    """)


def by_dmlkit(draw: dict) -> list:
    """Both phases of a draw as runs of `train_particles`, the second from where the first ended."""
    labels, rule = torch.tensor(draw["labels"]), draw["rule"]
    start = [torch.tensor(draw[key], dtype=torch.float64) for key in ("points", "proxies")]
    runs = []
    for setting in (draw["setting"], {**draw["setting"], **draw["second"]}):
        options = {"scale": setting["scale"]}
        if draw["loss"] == "cosine":
            options = {"temperature": 1 / setting["scale"]}
        elif draw["loss"] == "warped":
            options |= {key: setting[key] for key in ("alpha", "beta", "r", "margin")}
        how = {"optimizer": rule["optimizer"], "lr": rule["lr"], "proxy_lr": rule["proxyLr"], "eps": rule["eps"]}
        run = train_particles(start[0], labels, start[1], loss=LOSSES[draw["loss"]], steps=STEPS, **how, **options)
        runs.append(run)
        start = [run.points[-1], run.proxies[-1]]
    return runs


@pytest.mark.parametrize("k", range(len(DRAWS)))
def test_every_step_of_both_phases_equals_dmlkits(measured, k):
    first, second = by_dmlkit(DRAWS[k])
    points = torch.cat([first.points[1:], second.points[1:]]).flatten(1).numpy()
    proxies = torch.cat([first.proxies[1:], second.proxies[1:]]).flatten(1).numpy()
    assert np.allclose([step["e"] for step in measured[k]["said"]], points, rtol=0, atol=1e-6)
    assert np.allclose([step["p"] for step in measured[k]["said"]], proxies, rtol=0, atol=1e-6)
    assert np.allclose([step["distance"] for step in measured[k]["seen"]], first.distance, rtol=0, atol=1e-6)
    assert np.allclose([step["loss"] for step in measured[k]["seen"]], first.loss, rtol=1e-6, atol=1e-6)
    p = second.proxies[-1]
    assert measured[k]["apart"] == pytest.approx(torch.pdist(p).mean().item(), abs=1e-6)


def test_draws_move_far_and_cross_r(measured):
    """A run that stands still would agree with anything."""
    crossed = 0
    for draw in DRAWS:
        first, _ = by_dmlkit(draw)
        assert (first.points[-1] - first.points[0]).norm(dim=1).max() > 0.02
        own = first.proxies[:, draw["labels"]]
        inside = (first.points - own).norm(dim=2) < draw["setting"]["r"]
        crossed += int((inside[0] != inside[-1]).any())
    assert crossed > 10


def test_start_is_the_same_in_python_and_javascript(node, arithmetic):
    for classes, count, seed in ((2, 10, 1), (3, 300, 1), (5, 500, 77)):
        found = node(f"""
            import {{ scatter }} from "{arithmetic}";
            const {{ points, proxies, labels }} = scatter({classes}, {count}, {seed});
            console.log(JSON.stringify([[...points], [...proxies], [...labels]]));
        """)
        points, labels, proxies = scatter(classes, count, seed)
        assert np.allclose(found[0], points.flatten(), atol=1e-12)
        assert np.allclose(found[1], proxies.flatten(), atol=1e-12)
        assert found[2] == labels.tolist()


def test_start_overlaps_and_is_centred():
    points, labels, proxies = scatter(3, 300, 1)
    nearest = torch.cdist(points, proxies).argmin(dim=1)
    assert 0.5 < (nearest == labels).double().mean() < 0.98
    assert points.mean(dim=0).norm() < 0.3


def test_presets_begin_with_where_python_starts(node):
    found = node(host.bundle("particles") + "\nconsole.log(JSON.stringify(PRESETS));")
    state = particles(count=30).state
    assert next(iter(found.values())) == {key: state[key] for key in next(iter(found.values()))}
    for preset in found.values():
        particles(count=30, **preset)


def test_numbers_of_python_and_javascript_agree(root, node):
    source = (root / "dmlkit/explorers/particles.js").read_text(encoding="utf-8")
    for name in ("alpha", "beta", "r"):
        low, high = RANGES[name]
        assert re.search(rf"^  {name}: .*min: {low:g}, max: {high:g},", source, re.MULTILINE)
    offered = {
        name: [json.loads(value) for value in re.findall(r'\[("\w+"|[\d.]+), "', listed)]
        for listed, name in re.findall(r"(\[\[.*\]\]), onKey\(model, \"(\w+)\"\)\)", source)
    }
    assert offered == {name: list(values) for name, values in CHOICES.items()}
    assert node(host.bundle("particles") + "\nconsole.log(JSON.stringify([RATES, SHARPER]));") == [RATES, SHARPER]


STATE = particles(count=30).state


def let_go(arithmetic: str, node, marks: list[int], loss: str = "distance", pace: float = 0.2, **changes) -> list:
    """The explorer's start after so many steps: (distance to proxy, proxies apart)."""
    setting = {"alpha": 0.5, "beta": 1.5, "r": 1.5, "margin": 1, "scale": 1, **changes}
    adam = setting.pop("optimizer", "sgd") == "adam"
    lr = RATES["adam" if adam else "sgd"]
    rule = {"optimizer": "adam" if adam else "sgd", "lr": lr, "proxyLr": pace * lr}
    return node(f"""
        import {{ advance, begin, scatter, separationOf, slopesOf }} from "{arithmetic}";
        const [marks, setting, rule] = {json.dumps([marks, setting, rule])};
        const run = begin(scatter(3, 300, 1));
        const seen = [];
        for (let step = 0; step <= marks.at(-1); step++) {{
          if (marks.includes(step)) seen.push([slopesOf(run, "{loss}", setting).distance, separationOf(run)]);
          advance(run, "{loss}", setting, rule);
        }}
        console.log(JSON.stringify(seen));
    """)


def test_what_the_chapter_says_of_the_explorers_start(node, arithmetic):
    marks = [250, 1000, 4000]
    warped = let_go(arithmetic, node, marks)
    assert round(warped[1][0], 2) == 1.5
    grown = [round(b[1] - a[1], 1) for a, b in pairwise(warped)]
    assert grown == [0.9, 1.3]
    plain = let_go(arithmetic, node, marks, alpha=1, beta=1)
    assert round(plain[1][0], 2) == 0.07 > plain[2][0]
    cosine = let_go(arithmetic, node, [0, *marks], "cosine", scale=SHARPER)
    assert round(cosine[2][0], 2) in (0.75, 0.76) and abs(cosine[3][0] - cosine[2][0]) < 0.03
    assert cosine[3][1] - cosine[0][1] < 0.01
    for pace in (1, 10):
        assert round(let_go(arithmetic, node, marks, pace=pace)[2][0], 1) == 0.7
    adam = let_go(arithmetic, node, marks, optimizer="adam")
    assert [round(b[1] - a[1], 1) for a, b in pairwise(adam)] == [1.6, 2.8]
    for scale, reached in ((4, 0.9), (1, 1.8)):
        assert round(let_go(arithmetic, node, [300], r=2.4, scale=scale)[0][0], 1) == reached


def verdict(node, broken="", distance=(1.0, 2.0, 1.5), **changes) -> str:
    found = [{"distance": value, "force": 0.1} for value in distance]
    state = {**STATE, **changes}
    return node(
        host.bundle("particles")
        + f"\nconsole.log(JSON.stringify(verdictOf({json.dumps(state)}, {json.dumps(found)}, {json.dumps(broken)})));"
    )


def test_verdict_says_what_happens(node):
    assert verdict(node).startswith("Nothing has moved yet")
    assert "is about r" in verdict(node, steps=100)
    assert "proxies outrun" in verdict(node, steps=100, pace=10, distance=(1, 1, 0.2))
    assert "below r" in verdict(node, steps=100, distance=(1, 1, 0.2))
    assert "above r" in verdict(node, steps=100, distance=(1, 1, 2))
    assert "fly off" in verdict(node, steps=100, beta=0.8, distance=(1, 1, 3))
    assert "is the Euclidean one" in verdict(node, steps=100, alpha=1, beta=1)
    assert verdict(node, steps=100, phases=True).startswith("First phase")
    assert verdict(node, steps=301, phases=True).startswith("Second phase")
    assert "no longer a finite number" in verdict(node, broken="warped", steps=9)


def test_run_of_takes_the_state_of_the_explorer():
    points, labels, proxies = scatter(3, 30, 1)
    state = particles(count=30, optimizer="adam1").state
    assert state.pop("steps") == 0
    run = run_of(points, labels, proxies, "warped", 5, **state)
    by_hand = train_particles(
        points,
        labels,
        proxies,
        optimizer="adam",
        eps=1.0,
        lr=0.05,
        proxy_lr=0.01,
        steps=5,
        alpha=0.5,
        beta=1.5,
        r=1.5,
    )
    assert torch.equal(run.points, by_hand.points)


def test_alt_text_tells_the_numbers():
    alt = particles(count=60, classes=4).alt
    assert "60 embeddings of 4 classes" in alt and "r = 1.5" in alt and re.search(r"warped \d\.\d\d\.", alt)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"alpha": 1.6}, ValueError, "^alpha must lie on its slider, in 0 … 1.5, found 1.6"),
        ({"beta": float("nan")}, ValueError, "^beta must lie on its slider"),
        ({"r": -1}, ValueError, "^r must lie on its slider, in 0 … 3, found -1"),
        ({"count": 501}, ValueError, "^count must lie on its slider, in 10 … 500, found 501"),
        ({"count": 20.0}, TypeError, "^count must be a whole number, found 20.0"),
        ({"classes": 6}, ValueError, "^classes must lie on its slider, in 2 … 5, found 6"),
        ({"classes": True}, TypeError, "^classes must be a whole number, found True"),
        ({"optimizer": "lion"}, ValueError, "^optimizer must be one of"),
        ({"scale": 3}, ValueError, "^scale must be one of 1, 2, 4, found 3"),
        ({"margin": 0}, ValueError, "^margin must be one of"),
        ({"pace": 2}, ValueError, "^pace must be one of"),
        ({"seed": "a"}, TypeError, "^seed must be a whole number, found 'a'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        particles(**arguments)
