"""Cut N stamps x 3 bands from a full-size synthetic brick: ours against astropy and cfitsio, in one run.

`python -m benchmarks.reading [--json]`. Every method gives image and invvar stamps in g, r, z, the maskbits
stamps and the three psfsize values at each host; all are compared bit for bit. The others are given the pixel
windows; ours works them out. No method sums checksums. CPU is user + system seconds of the process.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import fitsio
import numpy as np
from astropy.io import fits
from astropy.nddata import Cutout2D

from survey.coadd import BrickReader, Cutout
from survey.layout import BANDS, coadd_path
from survey.sky import write_sky

COUNTS = (1, 10, 36, 100, 300, 864, 1000)
N_PIX = 64
Stamps = dict[str, np.ndarray]
Windows = list[tuple[int, int]]


class Job:
    """A brick and the stamps to cut from it: positions (degrees) for us, first pixels for the others."""

    def __init__(self, folder: Path, brick: str, count: int) -> None:
        self.folder, self.brick = folder, brick
        with BrickReader(folder, brick, verify=False) as reader:
            size = reader.shape[0]
            x, y = np.random.default_rng(count).uniform(40, size - 40, (2, count))
            ra, dec = reader.wcs.to_sky(x, y)
        self.positions = list(zip(ra.tolist(), dec.tolist(), strict=True))
        first = (np.floor(np.stack([y, x]) - (N_PIX - 1) / 2 + 0.5)).astype(int)
        self.windows: Windows = list(zip(*first.tolist(), strict=True))
        self.hosts = [(int(np.floor(j + 0.5)), int(np.floor(i + 0.5))) for i, j in zip(x, y, strict=True)]

    def path(self, kind: str, band: str | None = None) -> str:
        return str(self.folder / coadd_path(kind, self.brick, band))


def ours(job: Job) -> Stamps:
    stamps: list[Cutout] = [None] * len(job.positions)  # type: ignore[list-item]
    with BrickReader(job.folder, job.brick, verify=False) as reader:
        for index, stamp in reader.cut_all(job.positions, N_PIX):
            assert isinstance(stamp, Cutout), stamp
            stamps[index] = stamp
    names = ("image", "invvar", "maskbits", "psfsize")
    return {name: np.stack([getattr(stamp, name) for stamp in stamps]) for name in names}


def gathered(job: Job, open_file: Callable[[str], Any], box: Callable[..., np.ndarray]) -> Stamps:
    """The stamps, by a way to open a file and a way to cut a box of so many pixels from it."""

    def cut(kind: str, band: str | None, places: Windows, size: int) -> np.ndarray:
        opened = open_file(job.path(kind, band))
        return np.stack([box(opened, row, column, size) for row, column in places])

    return {
        "image": np.stack([cut("image", band, job.windows, N_PIX) for band in BANDS], axis=1),
        "invvar": np.stack([cut("invvar", band, job.windows, N_PIX) for band in BANDS], axis=1),
        "maskbits": cut("maskbits", None, job.windows, N_PIX),
        "psfsize": np.stack([cut("psfsize", band, job.hosts, 1)[:, 0, 0] for band in BANDS], axis=1),
    }


def of_array(pixels: np.ndarray, row: int, column: int, size: int) -> np.ndarray:
    return pixels[row : row + size, column : column + size]


def of_cutout(pixels: np.ndarray, row: int, column: int, size: int) -> np.ndarray:
    middle = (size - 1) / 2
    return Cutout2D(pixels, (column + middle, row + middle), size).data


METHODS: dict[str, Callable[[Job], Stamps]] = {
    "ours": ours,
    "astropy, whole + Cutout2D": lambda job: gathered(job, lambda path: fits.getdata(path, 1), of_cutout),
    "astropy .section": lambda job: gathered(job, lambda path: fits.open(path)[1].section, of_array),
    "fitsio, slices": lambda job: gathered(job, lambda path: fitsio.FITS(path)[1], of_array),
    "fitsio, whole": lambda job: gathered(job, lambda path: fitsio.read(path, ext=1), of_array),
}


def measure(job: Job, rounds: int) -> dict[str, dict[str, float]]:
    """Median CPU and wall seconds of each method, in turns; AssertionError where pixels differ."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
    for _ in range(rounds):
        expected: Stamps = {}
        for name, method in METHODS.items():
            cpu, wall = time.process_time(), time.perf_counter()
            stamps = method(job)
            times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
            expected = expected or stamps
            for part, pixels in stamps.items():
                assert np.array_equal(pixels, expected[part]), (name, part)
    medians = {
        name: [statistics.median(column) for column in zip(*found, strict=True)]
        for name, found in times.items()
    }
    return {name: {"cpu_s": cpu, "wall_s": wall} for name, (cpu, wall) in medians.items()}


def peak_megabytes(job: Job) -> float:
    """The most that our reader holds at a time, stamps dropped as they come; files are mapped, not held."""
    tracemalloc.start()
    with BrickReader(job.folder, job.brick, verify=False) as reader:
        for _ in reader.cut_all(job.positions, N_PIX):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--rounds", default=5, show_default=True, help="Of each method, in turns.")
@click.option("--stamps", "counts", type=int, multiple=True, default=COUNTS, help="Only these counts.")
@click.option("--pixels", default=3600, show_default=True, help="Width of the brick.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the brick here.  [default: nowhere]")
def main(as_json: bool, rounds: int, counts: tuple[int, ...], pixels: int, folder: Path | None) -> None:
    """Time the ways to cut stamps from a brick."""
    with tempfile.TemporaryDirectory() as scratch:
        root = folder or Path(scratch)
        brick = write_sky(root, 1, brick_pixels=pixels, hosts_per_brick=36)[0].name
        rows = []
        for count in counts:
            job = Job(root, brick, count)
            row: dict[str, Any] = {"stamps": count, **measure(job, rounds if count > 1 else 10 * rounds)}
            rows.append(row | {"peak_mb": peak_megabytes(job)})
            print(line(rows[-1]), file=sys.stderr if as_json else sys.stdout, flush=True)
        if as_json:
            print(json.dumps(rows))


def line(row: dict[str, Any]) -> str:
    times = ", ".join(f"{name} {row[name]['cpu_s']:.4f} ({row[name]['wall_s']:.4f})" for name in METHODS)
    return f"{row['stamps']} stamps, CPU (wall) s: {times}; our peak memory {row['peak_mb']:.0f} MB"


if __name__ == "__main__":
    main()
