"""The synthetic sky: bricks in the survey's layout and codecs, for runs and tests without the survey.

    bricks = write_sky(Path("sky"), 20, brick_pixels=900, seed=1)

Real brick names and projections, the coadds' noise, depth steps, PSF and masks, a catalogue with hosts that
pass `survey.hosts.select_hosts`, and, on request, bricks that fail in the ways real ones do. Never runs
inside the Fargate task or a Lambda function.
"""

import gzip
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.bricks import Brick, columns_in_row
from survey.errors import SurveyError
from survey.layout import BRICKS_TABLE
from survey.synthetic.codecs import TILE, table_bytes
from survey.synthetic.footprint import choose_bricks
from survey.synthetic.window import FULL_PIXELS
from survey.synthetic.writer import FAILURES, BrickPlan, is_complete, remove_brick, write_brick

FORMAT = 3
"""Raised when the same options give other bytes."""

MIN_PIXELS = 300
_RECORD = "sky.json"


def write_sky(
    folder: str | Path,
    n_bricks: int,
    *,
    brick_pixels: int = FULL_PIXELS,
    seed: int = 0,
    failures: Sequence[str] = (),
    hosts_per_brick: int = 24,
    workers: int = 1,
    progress: Callable[[Brick], None] | None = None,
) -> list[Brick]:
    """Write a synthetic sky; bricks that are there and complete are kept.

    The same options give the same bytes, whatever the number of workers and however often it was interrupted.

    Parameters
    ----------
    folder : str or Path
        Root of the release: `coadd/`, `tractor/` and `survey-bricks.fits.gz` go there, and `sky.json`, the
        options it was made with.
    n_bricks : int
        How many bricks; from 6 on one touches RA = 0 and one lies at Dec 79.75.
    brick_pixels : int
        Width of the images, `MIN_PIXELS` to 3600 pixels; below 3420 a window of the real brick's image.
    seed : int
        0 to 2^31 - 1.
    failures : sequence of str
        Names of `survey.synthetic.writer.FAILURES`, one each for the last bricks.
    hosts_per_brick : int
        Planted hosts, apart from each other and from bright stars; stamps of up to 101 pixels fit.
    workers : int
        Processes.
    progress : callable, optional
        Called with each brick when it is complete.

    Returns
    -------
    list of Brick
        The bricks, those with failures last.

    Raises
    ------
    SurveyError
        If an option is out of range, or the folder holds a sky of other options.
    """
    _check_options(n_bricks, brick_pixels, seed, failures, hosts_per_brick, workers)
    root = Path(folder)
    bricks = choose_bricks(n_bricks, seed)
    modes = dict(zip((brick.name for brick in bricks[len(bricks) - len(failures) :]), failures, strict=True))
    options = {
        "format": FORMAT,
        "seed": seed,
        "brick_pixels": brick_pixels,
        "hosts_per_brick": hosts_per_brick,
    }
    _prepare(root, options, modes, bricks)
    plans = [BrickPlan(b, brick_pixels, hosts_per_brick, seed, modes.get(b.name)) for b in bricks]
    for done in _write_all(root, plans, workers):
        if progress is not None:
            progress(done)
    _write_bricks_table(root, bricks)
    return bricks


def _write_all(root: Path, plans: list[BrickPlan], workers: int) -> Iterator[Brick]:
    todo = []
    for plan in plans:
        if is_complete(root, plan.brick.name):
            yield plan.brick
        else:
            todo.append(plan)
    if workers == 1 or len(todo) < 2:
        for plan in todo:
            write_brick(root, plan)
            yield plan.brick
        return
    spawn = multiprocessing.get_context("spawn")  # the parent may run threads: a fork could deadlock
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        running = {pool.submit(write_brick, root, plan): plan.brick for plan in todo}
        for future in as_completed(running):
            future.result()
            yield running[future]


def _check_options(
    n_bricks: int, pixels: int, seed: int, failures: Sequence[str], hosts: int, workers: int
) -> None:
    if not MIN_PIXELS <= pixels <= FULL_PIXELS or 0 < pixels % TILE[0] < 4:
        raise SurveyError(
            f"brick_pixels={pixels}: give {MIN_PIXELS} to {FULL_PIXELS}, "
            f"not 1 to 3 above a multiple of {TILE[0]}"
        )
    if not 0 <= seed < 2**31:
        raise SurveyError(f"seed={seed}: give 0 to 2147483647")
    unknown = [name for name in failures if name not in FAILURES]
    if unknown:
        raise SurveyError(f"failures={','.join(unknown)}: unknown; choose from {', '.join(FAILURES)}")
    if len(failures) > n_bricks:
        raise SurveyError(f"{len(failures)} failures need as many bricks, n_bricks={n_bricks}")
    if hosts < 1 or workers < 1:
        raise SurveyError(f"hosts_per_brick={hosts}, workers={workers}: give at least 1 of each")


def _prepare(root: Path, options: dict[str, Any], modes: dict[str, str], bricks: list[Brick]) -> None:
    """Compare the folder with the options, remove bricks whose failure is another now, note the options."""
    root.mkdir(parents=True, exist_ok=True)
    record = root / _RECORD
    old = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else None
    if old is None and (root / "coadd").exists():
        raise SurveyError(f"{root}: holds a coadd/ that is no synthetic sky; choose another folder")
    if old is not None and old["options"].get("format") != FORMAT:
        raise SurveyError(
            f"{root}: holds a sky of another version of this program; remove it to write it anew"
        )
    if old is not None and old["options"] != options:
        made = ", ".join(f"{name}={value}" for name, value in old["options"].items())
        raise SurveyError(f"{root}: holds a sky of {made}; ask for the same or choose another folder")
    known: dict[str, str] = old["failures"] if old is not None else {}
    for brick in bricks:
        if known.get(brick.name) != modes.get(brick.name):
            remove_brick(root, brick.name)
    names = {brick.name for brick in bricks}
    merged = {name: mode for name, mode in known.items() if name not in names} | modes
    _replace(record, json.dumps({"options": options, "failures": merged}, indent=1, sort_keys=True).encode())


def _write_bricks_table(root: Path, bricks: list[Brick]) -> None:
    ordered = sorted(bricks, key=lambda brick: brick.brickid)
    rows = np.array([round((brick.dec + 90.0) / 0.25) for brick in ordered], dtype=np.int32)
    counts = [columns_in_row(int(row)) for row in rows]
    columns = np.array([int(b.ra / 360.0 * n) for b, n in zip(ordered, counts, strict=True)], dtype=np.int32)
    table: dict[str, NDArray[Any]] = {
        "brickname": np.array([brick.name for brick in ordered], dtype="S8"),
        "brickid": np.array([brick.brickid for brick in ordered], dtype=np.int32),
        "brickq": (columns % 2 + rows % 2 * 2).astype(np.int16),
        "brickrow": rows,
        "brickcol": columns,
    }
    for name in ("ra", "dec", "ra1", "ra2", "dec1", "dec2"):
        table[name] = np.array([getattr(brick, name) for brick in ordered])
    _replace(root / BRICKS_TABLE, gzip.compress(table_bytes(table), mtime=0))


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
