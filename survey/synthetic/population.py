"""Draw the sources of a brick: stars, galaxies, and the luminous red galaxies that serve as hosts.

All arrays are in step, one entry a source; magnitudes are AB, corrected for extinction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.bricks import Brick
from survey.errors import SurveyError
from survey.hosts import HostCuts
from survey.layout import PIXEL_SCALE
from survey.synthetic.conditions import Conditions
from survey.synthetic.rng import generator
from survey.synthetic.window import FULL_PIXELS

SOURCES_PER_FULL_BRICK = 7700
POINT_SHARE = 0.5
SATURATED_MAG = (11.0, 15.0)
BRIGHT_MAG, MEDIUM_MAG = 13.0, 16.0
STAMP_MARGIN = 52
"""Hosts keep this far from the image's edge (pixels): stamps of 101 pixels fit."""

STAR_MARGIN = 16
"""Hosts keep this far from a saturated star's core or BRIGHT disc (pixels): some stamps reach into it, as
real ones do."""

NEAR_STAR_SHARE = 0.2
"""Of the places tried, this part lies beside a star, so that masks matter to some hosts of every brick."""

HOST_SEPARATION = 40
"""Hosts keep this far from each other, pixels."""

NEIGHBOUR_SEPARATION, NEIGHBOUR_MAG = 16, 22.0
"""Other sources brighter than this r magnitude keep this far from hosts, pixels."""

_TRIES_PER_HOST = 400
_COUNT_SLOPE = 0.30


@dataclass(eq=False)
class Population:
    """Sources of a brick, arrays of equal length.

    Attributes
    ----------
    x, y : ndarray
        Pixels from 0; sources up to 20 pixels off the image are kept, their light reaches in.
    mag : ndarray (n, 5)
        g, r, z, W1, W2; AB, corrected for extinction.
    kind : ndarray of str
        PSF, REX, EXP, DEV or SER.
    sersic, shape_r, axis_ratio, angle : ndarray
        Sersic index (0 for points), half-light radius along the major axis (arcsec), axis ratio, position
        angle (radians, east of north).
    is_host : ndarray of bool
        Planted as a host.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    mag: NDArray[np.float64]
    kind: NDArray[np.str_]
    sersic: NDArray[np.float64]
    shape_r: NDArray[np.float64]
    axis_ratio: NDArray[np.float64]
    angle: NDArray[np.float64]
    is_host: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.x)

    def take(self, chosen: NDArray[np.bool_]) -> "Population":
        """Keep some of the sources."""
        return Population(**{name: values[chosen] for name, values in vars(self).items()})

    def join(self, other: "Population") -> "Population":
        """Put another population behind this one."""
        mine, theirs = vars(self), vars(other)
        return Population(**{name: np.concatenate([mine[name], theirs[name]]) for name in mine})


def populate(
    brick: Brick, conditions: Conditions, primary: NDArray[np.bool_], hosts: int, seed: int
) -> Population:
    """Draw the sources of a brick.

    Parameters
    ----------
    brick : Brick
        The brick.
    conditions : Conditions
        Hosts are put where every band is covered.
    primary : ndarray of bool (rows, columns)
        Pixels the brick owns; hosts are put there. One more such galaxy goes to the other pixels, if there
        are any: a neighbour brick owns it, so it is no host of this one.
    hosts : int
        How many hosts.
    seed : int
        The sky's seed.

    Raises
    ------
    SurveyError
        If so many hosts do not fit.
    """
    rng = generator(seed, brick.brickid, "sources")
    rows, columns = primary.shape
    count = max(int(rng.poisson(SOURCES_PER_FULL_BRICK * rows * columns / FULL_PIXELS**2)), 4)
    field = _field_sources(count, (rows, columns), rng)
    stars = saturated_stars(field)
    places = _host_places(primary, conditions, stars, hosts, generator(seed, brick.brickid, "hosts"), brick)
    foreign = _neighbours_place(primary, generator(seed, brick.brickid, "neighbour"))
    crowding = _nearest(field, places) < NEIGHBOUR_SEPARATION
    calm = field.take(~(crowding & (field.mag[:, 1] < NEIGHBOUR_MAG)))
    hosts_and_neighbours = _hosts_at(np.concatenate([places, foreign]), rng)
    hosts_and_neighbours.is_host[len(places) :] = False
    return calm.join(hosts_and_neighbours)


def saturated_stars(sources: Population) -> NDArray[np.float64]:
    """Give x, y and the radius (pixels) of the MEDIUM disc of the stars brighter than MEDIUM_MAG in r."""
    bright = (sources.kind == "PSF") & (sources.mag[:, 1] < MEDIUM_MAG)
    radius = medium_radius_pixels(sources.mag[bright, 1])
    return np.stack([sources.x[bright], sources.y[bright], radius], axis=1)


def medium_radius_pixels(mag: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the radius of the survey's disc around a bright star: 1630" x 1.396^-mag, in pixels."""
    return np.asarray(1630.0 * 1.396 ** (-mag) / PIXEL_SCALE)


def _field_sources(count: int, shape: tuple[int, int], rng: np.random.Generator) -> Population:
    rows, columns = shape
    mag_r = 25.2 - rng.exponential(1.0 / (_COUNT_SLOPE * np.log(10.0)), count)
    point = rng.random(count) < POINT_SHARE
    mag_r = np.maximum(mag_r, np.where(point, 12.0, 16.5))
    mag_r[0], point[0] = rng.uniform(*SATURATED_MAG), True  # every brick has a saturated star
    g_r = np.where(point, rng.normal(0.8, 0.5, count), rng.normal(0.9, 0.35, count))
    r_z = np.where(point, rng.normal(0.5, 0.4, count), rng.normal(0.6, 0.3, count))
    z_w1 = 0.8 * r_z - 0.6 - 0.15 - rng.exponential(0.5, count)  # below the cut: none is a host by chance
    kind = np.where(point, "PSF", rng.choice(["REX", "EXP", "DEV", "SER"], count, p=[0.45, 0.3, 0.15, 0.1]))
    sersic = _sersic_of(kind, rng)
    size = np.clip(rng.lognormal(-0.7, 0.45, count) * 10.0 ** (-0.08 * (mag_r - 22.0)), 0.15, 4.0)
    ratio = np.where(np.isin(kind, ["PSF", "REX"]), 1.0, rng.uniform(0.3, 1.0, count))
    return Population(
        x=rng.uniform(-20.0, columns + 20.0, count),
        y=rng.uniform(-20.0, rows + 20.0, count),
        mag=_mags(mag_r, g_r, r_z, z_w1),
        kind=kind,
        sersic=sersic,
        shape_r=np.where(point, 0.0, size),
        axis_ratio=ratio,
        angle=rng.uniform(0.0, np.pi, count),
        is_host=np.zeros(count, dtype=np.bool_),
    )


def _sersic_of(kind: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.float64]:
    free = rng.choice([1.5, 2.5, 3.0, 5.0], len(kind))
    return np.select([kind == "PSF", kind == "DEV", kind == "SER"], [0.0, 4.0, free], 1.0)


def _mags(
    r: NDArray[np.float64], g_r: NDArray[np.float64], r_z: NDArray[np.float64], z_w1: NDArray[np.float64]
) -> NDArray[np.float64]:
    w1 = r - r_z - z_w1
    return np.stack([r + g_r, r, r - r_z, w1, w1 + 0.4], axis=1)


def _host_places(
    primary: NDArray[np.bool_],
    conditions: Conditions,
    stars: NDArray[np.float64],
    hosts: int,
    rng: np.random.Generator,
    brick: Brick,
) -> NDArray[np.float64]:
    rows, columns = primary.shape
    covered = np.logical_and.reduce([maps.psfsize > 0.0 for maps in conditions.bands.values()])
    usable = primary & covered
    # The BRIGHT disc of very bright stars, the saturated core of the others.
    very_bright = stars[:, 2] >= medium_radius_pixels(np.array(BRIGHT_MAG))
    reach = np.where(very_bright, stars[:, 2] / 2.0, 0.0) + STAR_MARGIN
    places: list[tuple[float, float]] = []
    for _ in range(_TRIES_PER_HOST * hosts):
        if len(places) == hosts:
            break
        if len(stars) and rng.random() < NEAR_STAR_SHARE:
            x, y = _beside(stars, reach, rng)
        else:
            x, y = rng.uniform(0.0, columns), rng.uniform(0.0, rows)
        if not (STAMP_MARGIN <= x <= columns - STAMP_MARGIN and STAMP_MARGIN <= y <= rows - STAMP_MARGIN):
            continue
        near_star = np.hypot(stars[:, 0] - x, stars[:, 1] - y) < reach
        crowded = any(np.hypot(px - x, py - y) < HOST_SEPARATION for px, py in places)
        if usable[round(y), round(x)] and not near_star.any() and not crowded:
            places.append((x, y))
    if len(places) < hosts:
        raise SurveyError(
            f"hosts_per_brick={hosts}: only {len(places)} fit apart in brick {brick.name} of "
            f"{columns} x {rows} pixels; ask for fewer or for larger bricks"
        )
    return np.array(places).reshape(hosts, 2)


def _beside(
    stars: NDArray[np.float64], reach: NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float]:
    """Choose a place just outside what a star reaches."""
    star = int(rng.integers(len(stars)))
    distance, angle = reach[star] + rng.uniform(0.0, STAR_MARGIN), rng.uniform(0.0, 2.0 * np.pi)
    return float(stars[star, 0] + distance * np.cos(angle)), float(stars[star, 1] + distance * np.sin(angle))


def _neighbours_place(primary: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Choose a pixel that a neighbour brick owns: (1, 2), or (0, 2) if there is none."""
    others = np.flatnonzero(~primary)
    if not others.size:
        return np.zeros((0, 2))
    row, column = divmod(int(others[rng.integers(others.size)]), primary.shape[1])
    return np.array([[float(column), float(row)]])


def _nearest(sources: Population, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each source's distance (pixels) to the nearest of the places."""
    nearest = np.full(len(sources), np.inf)
    for x, y in places:
        nearest = np.minimum(nearest, np.hypot(sources.x - x, sources.y - y))
    return nearest


def _hosts_at(places: NDArray[np.float64], rng: np.random.Generator) -> Population:
    count = len(places)
    z, r_z, z_w1 = _host_colours(count, rng)
    mag_r = z + r_z
    kind = np.where(rng.random(count) < 0.6, "DEV", "SER")
    size = np.clip(1.3 * 10.0 ** (-0.15 * (z - 18.5)) * rng.lognormal(0.0, 0.25, count), 0.4, 4.0)
    return Population(
        x=places[:, 0],
        y=places[:, 1],
        mag=_mags(mag_r, rng.normal(1.5, 0.2, count), r_z, z_w1),
        kind=kind,
        sersic=np.where(kind == "DEV", 4.0, rng.choice([2.5, 3.0, 5.0], count)),
        shape_r=size,
        axis_ratio=rng.uniform(0.6, 1.0, count),
        angle=rng.uniform(0.0, np.pi, count),
        is_host=np.ones(count, dtype=np.bool_),
    )


def _host_colours(
    count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Draw z, r - z and z - W1 well inside the selection, so that measuring errors do not drop a host."""
    drawn = max(8 * count, 64)
    z = 20.6 - np.minimum(rng.exponential(0.9, drawn), 3.3)
    r_z = np.clip(rng.normal(1.0, 0.25, drawn), 0.5, 1.6)
    z_w1 = 0.8 * r_z - 0.4 + rng.uniform(0.0, 0.7, drawn)
    cuts = HostCuts(z_bright=17.2, z_faint=20.8, r_faint=22.0, offset=-0.4)
    good = np.flatnonzero(cuts.passes(z + r_z, z, z - z_w1, np.zeros(drawn)))[:count]
    if len(good) < count:
        raise AssertionError("the hosts' colours lie outside the selection they are drawn for")
    return z[good], r_z[good], z_w1[good]
