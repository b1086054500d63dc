"""Landscapes of a softmax over distances: forces, extrema on circles and rays, several classes, points that train.

The mathematics behind the chapters on the warped softmax (paper W); the losses themselves are in `dmlkit.losses`.

- `circles`   minima and maxima of two classes' loss around a circle
- `forces`    the four forces on an embedding, its own proxy and the others
- `particles` embeddings and proxies as free points that a loss trains, without a network
- `rays`      minima on the ray behind the own proxy, by comparing two slopes
- `several`   three and more classes: the others as one soft rival, and where an embedding comes to rest
"""

from dmlkit.landscape.circles import CircleExtremum, circle_distances, extrema_on_circle
from dmlkit.landscape.forces import SoftmaxForces, softmax_forces
from dmlkit.landscape.particles import ParticleRun, train_particles
from dmlkit.landscape.rays import RayMinima, minima_on_ray, slope_on_ray
from dmlkit.landscape.several import (
    Equilibrium,
    equilibria,
    outward_pull,
    rival_distance,
    simplex_pull,
    turning_distance,
)

__all__ = [
    "CircleExtremum",
    "Equilibrium",
    "ParticleRun",
    "RayMinima",
    "SoftmaxForces",
    "circle_distances",
    "equilibria",
    "extrema_on_circle",
    "minima_on_ray",
    "outward_pull",
    "rival_distance",
    "simplex_pull",
    "slope_on_ray",
    "softmax_forces",
    "train_particles",
    "turning_distance",
]
