"""Search for settings, and the reality check's protocol around it.

- `space`    the ranges that values are drawn from; the paths into a config are those of `dmlkit.recipes.changes`
- `trials`   `search`: Bayesian optimisation over cross-validation that goes on where it was
- `scores`   "aggregate", "ensemble" and "complete" scores of what was found
- `command`  the command line's `search`
"""

from dmlkit.recipes.changes import paths, replace_at
from dmlkit.search.command import add_arguments, main
from dmlkit.search.scores import complete_config, embeddings_of_test, ensemble, final_scores, scores
from dmlkit.search.space import Categorical, LogUniform, Uniform, UniformInteger
from dmlkit.search.trials import SearchResult, Trial, fold_config, search
from dmlkit.training.assembly import folds

__all__ = [
    "Categorical",
    "LogUniform",
    "SearchResult",
    "Trial",
    "Uniform",
    "UniformInteger",
    "add_arguments",
    "complete_config",
    "embeddings_of_test",
    "ensemble",
    "final_scores",
    "fold_config",
    "folds",
    "main",
    "paths",
    "replace_at",
    "scores",
    "search",
]
