"""What the papers print, what this book has measured, and what nobody has run yet: never mixed up.

- `reading`    `read(benchmark)`: published rows and recorded runs; `why_not_full`, which run may answer a paper
- `answers`    for each printed number its state: measured, not yet run, no recipe of ours
- `tables`     published numbers, answers, runs that answer no paper, as Markdown
- `pictures`   curves of runs: a loss that falls, a measure with its spread over seeds
- `overview`   all benchmarks in one table
"""

from dmlkit.results.answers import MEASURED, NO_RECIPE, NOT_RUN, Answer, answers, command
from dmlkit.results.overview import overview_table
from dmlkit.results.pictures import loss_picture, recorded_picture
from dmlkit.results.reading import Results, benchmarks, read, why_not_full
from dmlkit.results.tables import answers_table, published_table, stand_in_table

__all__ = [
    "MEASURED",
    "NOT_RUN",
    "NO_RECIPE",
    "Answer",
    "Results",
    "answers",
    "answers_table",
    "benchmarks",
    "command",
    "loss_picture",
    "overview_table",
    "published_table",
    "read",
    "recorded_picture",
    "stand_in_table",
    "why_not_full",
]
