"""A host catalogue as a folder of Parquet files, from any number of sweeps, in bounded memory.

    <folder>/brick_group=031/part-00000.parquet

A group is the first three characters of the brick names: a degree of right ascension, as the survey groups
its bricks. What is found in each sweep is put aside by group; then each group is sorted, checked and written.
"""

import filecmp
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from survey.errors import CatalogueError
from survey.hosts import HOST_SCHEMA, HostRules, Tally, checked_hosts, host_batches, no_hosts
from survey.layout import is_catalogue, is_companion

PART = "part-00000.parquet"


def catalogue_files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """List the sweep and tractor files among some files and below some folders, in a fixed order.

    Parameters
    ----------
    paths : sequence of Path
        Files, taken whatever their names, but for the companions of sweeps (`-pz`, `-ex`, ...), which hold
        other columns; and folders, of which only files with a sweep's or tractor's name are taken.

    Returns
    -------
    files, skipped : list of Path
        What to read, and what is left out by its name.

    Raises
    ------
    CatalogueError
        If nothing is left of one of the paths.
    """
    files: list[Path] = []
    skipped: list[Path] = []
    for path in paths:
        below = sorted(p for p in path.rglob("*.fits") if p.is_file()) if path.is_dir() else [path]
        taken = [is_catalogue(p.name) if path.is_dir() else not is_companion(p.name) for p in below]
        if path.is_dir() and not any(taken):
            found = f"{below[0].name} but no" if below else "no"
            message = f"holds {found} file of a sweep's or tractor's name; give the files themselves"
            raise CatalogueError(f"{path}: {message}")
        files += itertools.compress(below, taken)
        skipped += itertools.compress(below, [not one for one in taken])
    if not files:
        raise CatalogueError(f"{skipped[0]}: goes with a sweep and has other columns; give the sweep itself")
    return files, skipped


def write_hosts(
    paths: Sequence[Path],
    folder: Path,
    rules: HostRules,
    *,
    progress: Callable[[], None] = lambda: None,
) -> Tally:
    """Select hosts from sweep or tractor files into a folder, which appears whole or not at all.

    The same files and rules give the same bytes; a folder that holds them already is kept.

    Parameters
    ----------
    paths : sequence of Path
        Catalogue files.
    folder : Path
        To be made.
    rules : HostRules
        What is a host.
    progress : callable
        Called after each file.

    Returns
    -------
    Tally
        How many rows were read, kept, and left out by each rule.

    Raises
    ------
    CatalogueError
        As `survey.hosts.select_hosts`; if there is no host at all; or if the folder holds something else.
    """
    _refuse_place(folder)
    folder = folder.resolve()
    scratch = folder.with_name(f".{folder.name}.writing-{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        tally = _put_aside(paths, scratch / "found", rules, progress)
        for group in sorted((scratch / "found").iterdir()) if tally.hosts else []:
            found = pa.concat_tables([pq.read_table(part) for part in sorted(group.iterdir())])
            target = scratch / "hosts" / group.name / PART
            target.parent.mkdir(parents=True)
            pq.write_table(checked_hosts(found, paths, tally), target, compression="zstd")
        if not tally.hosts:
            raise CatalogueError(no_hosts(paths, tally))
        _put_in_place(scratch / "hosts", folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tally


def hosts_by_group(folder: Path) -> Iterator[pa.Table]:
    """Give the hosts of a folder that `write_hosts` wrote, group by group, by brickname and host_id.

    Raises
    ------
    CatalogueError
        If it holds no such files, or one that cannot be read.
    """
    parts = sorted(folder.glob(f"brick_group=*/{PART}"))
    if not parts:
        raise CatalogueError(f"{folder}: no brick_group=*/{PART} in it; give a folder of `darkhalo hosts`")
    for part in parts:
        try:
            hosts = pq.ParquetFile(part).read(use_threads=False).cast(HOST_SCHEMA)
        except (OSError, ValueError) as error:
            raise CatalogueError(f"{part}: {error}; write it again with `darkhalo hosts`") from error
        yield hosts


def _put_aside(paths: Sequence[Path], found: Path, rules: HostRules, progress: Callable[[], None]) -> Tally:
    """Write what each file holds to found/brick_group=AAA/<number>-<part>.parquet."""
    tally = Tally()
    for number, path in enumerate(paths):
        for part, batch in enumerate(host_batches(number, path, rules, tally)):
            groups = pc.utf8_slice_codeunits(batch["brickname"], 0, 3)
            for group in pc.unique(groups).to_pylist():
                target = found / f"brick_group={group}" / f"{number:06d}-{part:06d}.parquet"
                target.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.Table.from_batches([batch.filter(pc.equal(groups, group))]), target)
        progress()
    return tally


def _refuse_place(folder: Path) -> None:
    """Refuse a place that cannot become the catalogue, before hours are spent on it."""
    fits = folder.is_dir() and all(path.name.startswith("brick_group=") for path in folder.iterdir())
    if folder.exists() and not fits:
        raise _something_else(folder)


def _something_else(folder: Path) -> CatalogueError:
    return CatalogueError(f"{folder}: holds something else; remove it or give another folder")


def _put_in_place(made: Path, folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.rename(folder)
        return
    ours, theirs = (
        sorted(p.relative_to(top) for p in top.rglob("*") if p.is_file()) for top in (made, folder)
    )
    if ours != theirs or not all(filecmp.cmp(made / name, folder / name, shallow=False) for name in ours):
        raise _something_else(folder)
