"""`darkhalo sky`."""

from __future__ import annotations

from pathlib import Path

import click

from cli import defaults, exits, output


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--bricks", required=True, type=click.IntRange(min=1), help="How many.")
@click.option(
    "--brick-pixels",
    type=int,
    default=defaults.BRICK_PIXELS,
    show_default=True,
    help=defaults.BRICK_PIXELS_HELP,
)
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SKY_SEED, show_default=True)
@click.option(
    "--failures",
    default="",
    help="half_covered, missing_band, truncated, bailout or all: each spoils one of the last bricks.",
)
@output.json_option
def sky(folder: Path, bricks: int, brick_pixels: int, seed: int, failures: str, as_json: bool) -> int:
    """Write synthetic bricks in the survey's own layout, codecs, headers, mask bits and units.

    Deterministic by seed; bricks that are there and whole are kept.
    """
    from cli.skies import failure_names, synthesize_sky

    synthesize_sky(folder, bricks, brick_pixels, seed, failure_names(failures))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if as_json:
        output.emit_json({"folder": str(folder.resolve()), "bricks": bricks, "bytes": size})
    else:
        print(f"{bricks} bricks of {brick_pixels} px, {size / 1e6:.0f} MB: {folder.resolve()}")
    return exits.DONE
