"""Interactive figures: live where a kernel is there, alive in the static page without one.

- `arms`               a published table of accuracies, its differences, and what chance allows
- `batches`            batches of a data set, one after the other: bias and spread of their silhouettes
- `bound_optimization` a function of one weight, the bowl that touches it, and the walk from bowl to bowl
- `budgets`            losses in the order that a search of one to sixteen trials had put them in
- `class_means`        points on the unit circle: a mean over pairs, and one product with the class mean
- `corruptions`        digits under corruption, and the Recall@1 that trained embeddings keep
- `forces`             an embedding and its proxies, and the four forces of a softmax between them
- `gradients`          two losses push points of the unit circle: their arrows, and where the points go
- `half_warps`         a function on the distance, its slope against the other's, and a probe that descends
- `kl_gap`             two Gaussian classes and a logistic classifier: cross-entropy as H(Y|Z) and a gap
- `knobs`              a measure over the values of one number of a loss, and how far each such number moves it
- `landscape`          the warped loss of two classes, with α, β and r to move
- `monotone`           a function of the distance to bend, and where around a circle the loss is lowest
- `orders`             losses in the order of one study and of another, with a line from each to itself
- `particles`          three losses train hundreds of embeddings and their proxies in the plane
- `positives`          who has a partner of its class in a batch: what a pairwise loss can learn from
- `silhouette_bars`    Rousseeuw's silhouette plot of twelve points to drag
- `slopes`             two slopes along the ray behind the own proxy, and the minimum that they place
- `softening`          three soft minima against their temperature, and the loss they lead to
- `three_losses`       points that go down cross-entropy, SPCE or PCE, with the curves of all three
- `tightness_contrast` three classes on a circle: tightness and contrast of five losses as bars
- `two_dimensions`     ten classes in a plane, and what five measures say of long rays and another unit
- `two_views`          Gaussian classes on a line, their four entropies, and the difference that both views see
- `host`               how an explorer is shown: widget or self-contained HTML
- `live`               the widget (needs anywidget)
- `still`              the still picture, as a small PNG

To make an explorer:

1. `name.py` with a function `name(…) -> Explorer`: it checks its arguments, makes the state that the sliders start
   from (numbers, texts, booleans, lists), the still picture (`still.small_png`) and the words for it. Here: import it,
   add it to `__all__`.
2. `name_arithmetic.js`: the numbers, without drawing; `tests/explorers/test_name.py` holds them to dmlkit in Node.
3. `name.js`: what the reader moves. `export default { render }`, with `render` calling `stage`. How, stands at the top
   of each file: `stage.js` the frame (read this first), `controls.js` sliders, choices, presets, Play; `chart.js`
   curves and bars; `plane.js` points to drag; `canvas.js` colours, marks, arrows, words; `heatmap.js` maps.
   Import by name from files beside it, one `import { … } from "./file.js";` each, without `as`. All files are joined
   into one module: names at the top level must differ from those of the others.
4. One line in `tests/book/explorer_list.py`, with the page that shows it: the tests of every explorer then hold for it.

At most three knobs, units on every axis, colour never alone, a verdict that says in words what happens.
"""

from dmlkit.explorers.arms import arms
from dmlkit.explorers.batches import batches
from dmlkit.explorers.bound_optimization import bound_optimization
from dmlkit.explorers.budgets import budgets
from dmlkit.explorers.class_means import class_means
from dmlkit.explorers.corruptions import corruptions
from dmlkit.explorers.forces import forces
from dmlkit.explorers.gradients import gradients
from dmlkit.explorers.half_warps import half_warps
from dmlkit.explorers.host import Explorer
from dmlkit.explorers.kl_gap import kl_gap
from dmlkit.explorers.knobs import knobs
from dmlkit.explorers.landscape import landscape
from dmlkit.explorers.monotone import monotone
from dmlkit.explorers.orders import orders
from dmlkit.explorers.particles import particles
from dmlkit.explorers.positives import positives
from dmlkit.explorers.silhouette_bars import silhouette_bars
from dmlkit.explorers.slopes import slopes
from dmlkit.explorers.softening import softening
from dmlkit.explorers.three_losses import three_losses
from dmlkit.explorers.tightness_contrast import tightness_contrast
from dmlkit.explorers.two_dimensions import two_dimensions
from dmlkit.explorers.two_views import two_views

__all__ = [
    "Explorer",
    "arms",
    "batches",
    "bound_optimization",
    "budgets",
    "class_means",
    "corruptions",
    "forces",
    "gradients",
    "half_warps",
    "kl_gap",
    "knobs",
    "landscape",
    "monotone",
    "orders",
    "particles",
    "positives",
    "silhouette_bars",
    "slopes",
    "softening",
    "three_losses",
    "tightness_contrast",
    "two_dimensions",
    "two_views",
]
