"""dmlkit: the tested helper module of the metric-learning book.

Where to look:

- `dmlkit.losses`     losses as pure functions and thin modules
- `dmlkit.metrics`    retrieval, clustering, classification and verification measures
- `dmlkit.information` entropy and mutual information: bounds, estimators, an exact yardstick
- `dmlkit.data`       images with the split that each experiment needs
- `dmlkit.models`     networks that map images to embeddings
- `dmlkit.training`   the loop: model and loss in, run record out
- `dmlkit.records`    run records: write, read, summarise over seeds
- `dmlkit.plotting`   figures that read in light and dark, with alt text
- `dmlkit.explorers`  interactive figures, live in a kernel and in the static page

Importing dmlkit touches no network and no global state.
"""

__version__ = "0.1.0"
