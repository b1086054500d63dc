"""Which page of the book shows which explorer: one line here puts an explorer under every test of test_explorers.py."""

from __future__ import annotations

PAGES = {
    "arms": "book/silhouette/does_it_help.html",
    "batches": "book/silhouette/mini_batches.html",
    "class_means": "book/silhouette/class_means.html",
    "softening": "book/silhouette/softening.html",
    "silhouette_bars": "book/silhouette/the_silhouette.html",
    "gradients": "book/silhouette/local_and_global.html",
    "kl_gap": "book/mutual_information/maximizing_information.html",
    "tightness_contrast": "book/mutual_information/pairwise_losses.html",
    "bound_optimization": "book/mutual_information/cross_entropy_as_a_bound.html",
    "three_losses": "book/mutual_information/side_by_side.html",
    "budgets": "book/one_view/fair_comparison.html",
    "corruptions": "book/one_view/robustness.html",
    "knobs": "book/one_view/turning_the_knobs.html",
    "orders": "book/one_view/from_heads_to_networks.html",
    "positives": "book/mutual_information/why_it_works_better.html",
    "slopes": "book/warped_softmax/placing_the_minimum.html",
    "forces": "book/warped_softmax/forces.html",
    "half_warps": "book/warped_softmax/which_functions.html",
    "landscape": "book/warped_softmax/landscape.html",
    "monotone": "book/warped_softmax/monotone.html",
    "particles": "book/warped_softmax/watch_it_train.html",
    "two_dimensions": "book/warped_softmax/fashion_toy.html",
    "two_views": "book/mutual_information/two_views.html",
}
