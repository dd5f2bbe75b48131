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


class Release(click.ParamType):
    """A data release, by its name or a value of the column RELEASE; the values it stands for."""

    name = "release"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        from survey.errors import SurveyError
        from survey.layout import release_numbers

        try:
            return release_numbers(str(value))
        except SurveyError as error:
            raise click.UsageError(f"--release {error}") from error


@click.command()
@click.argument("sweeps", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("hosts"), show_default=True,
    help="Folder to make: brick_group=AAA/part-00000.parquet, AAA a degree of right ascension.",
)  # fmt: skip
@click.option(
    "--release", "releases", type=Release(), multiple=True,
    help="Keep dr9-north, dr9-south or dr10-south, with all of its values of the column RELEASE, or another "
    "value (one of them stands for its whole release). Repeatable.  [default: all]",
)  # fmt: skip
@click.option(
    "--known-lenses", type=click.Path(path_type=Path),
    help="CSV whose first line names ra and dec (degrees; lenscat's own will do): galaxies near one of these "
    "are no hosts.",
)  # fmt: skip
@click.option(
    "--radius", type=Arcsec(), default=12.0, show_default=True,
    help="How near, arcsec. 12 keeps a lens off every pixel of a 64-pixel stamp; give 19 for 101 pixels.",
)  # fmt: skip
@output.json_option
def hosts(
    sweeps: tuple[Path, ...], out: Path, releases: tuple[tuple[int, ...], ...], known_lenses: Path | None,
    radius: float, as_json: bool,
) -> int:  # fmt: skip
    """Choose injection hosts, luminous red galaxies, from sweep or tractor files (or folders of them).

    Extinction-corrected AB: (z - W1) > 0.8 (r - z) - 0.6, 17 < z < 21, r < 23, not point-like,
    E(B-V) < 0.1; not under a bad mask bit; owned by its brick; each galaxy once. Rows that are left out are
    counted by reason, files of a folder that are no sweep or tractor by their names are skipped and told.
    Memory stays bounded whatever the number of files; `darkhalo run --hosts` takes the folder.
    """
    from astropy.utils.exceptions import AstropyWarning

    from pipeline.progress import Progress
    from survey.host_files import catalogue_files, write_hosts
    from survey.hosts import HostRules
    from survey.known_lenses import read_known_lenses

    lenses = None if known_lenses is None else read_known_lenses(known_lenses, radius)
    if lenses is not None:
        output.note(f"hosts: {len(lenses):,} known lenses in {known_lenses}, {radius:g} arcsec around each")
    files, skipped = catalogue_files(sweeps)
    if skipped:
        some = ", ".join(str(path) for path in skipped[:3]) + (", ..." if len(skipped) > 3 else "")
        output.note(f"hosts: {len(skipped):,} files skipped, no sweep or tractor by their names: {some}")
    rules = HostRules(releases=tuple(number for numbers in releases for number in numbers), lenses=lenses)
    progress = Progress("hosts", len(files), "files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # what it warns of, our error says in one line
        tally = write_hosts(files, out, rules, progress=progress.advance)
    if as_json:
        known = None if lenses is None else len(lenses)
        given = {"files": len(files), "skipped": len(skipped), "known_lenses": known}
        output.emit_json({"folder": str(out.resolve()), **given, **asdict(tally)})
    else:
        print(f"hosts {tally.hosts:,} of {tally.rows:,} rows, files {len(files):,}: {out.resolve()}")
        print(tally)
    return exits.DONE
