"""`darkhalo hosts`."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict
from pathlib import Path

import click

from cli import exits, output


class Arcsec(click.ParamType):
    """A radius on the sky."""

    name = "arcsec"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            radius = float(str(value))
        except ValueError:
            radius = math.nan
        if not 0 < radius <= 3600:
            raise click.UsageError(f"--radius {value}: give arcsec, above 0 and up to 3600, as --radius 12")
        return radius


@click.command()
@click.argument("sweeps", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("hosts"), show_default=True,
    help="Folder to make: brick_group=AAA/part-00000.parquet, AAA a degree of right ascension.",
)  # fmt: skip
@click.option(
    "--release", "releases", type=int, multiple=True,
    help="Value of the column RELEASE to keep: 9010 DR9 south, 9011 DR9 north, 10000 DR10. Repeatable.  "
    "[default: all]",
)  # fmt: skip
@click.option(
    "--known-lenses", type=click.Path(path_type=Path),
    help="CSV whose first line names ra and dec (degrees): galaxies near one of these are no hosts.",
)  # fmt: skip
@click.option(
    "--radius", type=Arcsec(), default=12.0, show_default=True,
    help="How near, arcsec. 12 keeps a lens off every pixel of a 64-pixel stamp; give 19 for 101 pixels.",
)  # fmt: skip
@output.json_option
def hosts(
    sweeps: tuple[Path, ...], out: Path, releases: tuple[int, ...], known_lenses: Path | None, radius: float,
    as_json: bool,
) -> int:  # fmt: skip
    """Choose injection hosts, luminous red galaxies, from sweep or tractor files (or folders of them).

    Extinction-corrected AB: (z - W1) > 0.8 (r - z) - 0.6, 17 < z < 21, r < 23, not point-like,
    E(B-V) < 0.1; not under a bad mask bit; owned by its brick. Memory stays bounded whatever the number of
    files; `darkhalo run --hosts` takes the folder.
    """
    from astropy.utils.exceptions import AstropyWarning

    from pipeline.progress import Progress
    from survey.host_files import write_hosts
    from survey.hosts import HostRules
    from survey.known_lenses import read_known_lenses

    lenses = None if known_lenses is None else read_known_lenses(known_lenses, radius)
    if lenses is not None:
        output.note(f"hosts: {len(lenses):,} known lenses in {known_lenses}, {radius:g} arcsec around each")
    files = _files_of(sweeps)
    progress = Progress("hosts", len(files), "files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # what it warns of, our error says in one line
        tally = write_hosts(
            files, out, HostRules(releases=releases, lenses=lenses), progress=progress.advance
        )
    if as_json:
        found = {"known_lenses": None if lenses is None else len(lenses), **asdict(tally)}
        output.emit_json({"folder": str(out.resolve()), "files": len(files), **found})
    else:
        print(f"{tally.hosts:,} hosts of {tally.rows:,} rows in {len(files):,} files: {out.resolve()}")
        print(tally)
    return exits.DONE


def _files_of(sweeps: tuple[Path, ...]) -> list[Path]:
    """The files, and the FITS files below the folders, in a fixed order."""
    from pipeline.errors import InputError

    files: list[Path] = []
    for path in sweeps:
        below = sorted(p for p in path.rglob("*.fits") if p.is_file()) if path.is_dir() else [path]
        if not below:
            raise InputError(f"{path}: holds no FITS file; give sweep or tractor files, or a folder of them")
        files += below
    return files
