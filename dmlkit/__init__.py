"""dmlkit: the tested helper module of the metric-learning book.

Where to look:

- `dmlkit.losses`              losses as pure functions and thin modules
- `dmlkit.metrics`             retrieval, clustering, classification and verification measures
- `dmlkit.information`         entropy and mutual information: bounds, estimators, an exact yardstick
- `dmlkit.bound_optimization`  majorise and minimise: down a function by bounds that touch it
- `dmlkit.data`                every data set of the papers: official splits, checked; samplers, transforms, loading
- `dmlkit.models`              backbones and heads: images to embeddings
- `dmlkit.recipes`             the papers' settings: functions that return a config
- `dmlkit.training`            the loop: config in, run record out; checkpoints, several processes; what is missing here
- `dmlkit.costs`               time and memory of a full run on three GPUs, estimated before it begins
- `dmlkit.records`             run records: write, read, summarise over seeds, compare with published numbers
- `dmlkit.results`             published numbers, our full runs, and what has not been run yet
- `dmlkit.comparison`          many losses, one protocol, one budget: ranks, and what they are worth
- `dmlkit.search`              hyper-parameter search with cross-validation over classes
- `python -m dmlkit`           the same from the command line
- `dmlkit.plotting`            figures that read in light and dark, with alt text
- `dmlkit.explorers`           interactive figures, live in a kernel and in the static page
- `dmlkit.interactive`         sliders for what only Python can compute, a still picture in the static page
- `dmlkit.environment`         `describe()`: which versions run here, and on what
- `dmlkit.book_files`          the book's recorded runs and published tables, wherever a chapter runs

Importing dmlkit touches no network and no global state.
"""

__version__ = "0.1.0"
