"""A picture for the README: a few systems, each as raw, injected and difference."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.errors import InputError
from report.folder import Frame, read_table
from report.gallery import StampIndex, index_of, index_stamps, read_pairs
from report.pictures import Colours, Stamp, colours, difference, gain_of

SYSTEMS = 5
ARC_OFFSET = 0.4  # source offset in theta_E at which an arc faces a counter-image
SIDE, GAP, MARGIN, LABEL = 176, 6, 14, 22
MIDDLE = 44  # pixels of the stamp that are shown: 11.5 arcsec
NIGHT, INK = (11, 14, 23), (205, 213, 230)
COLUMNS = (
    "task_id",
    "brickname",
    "host_id",
    "is_control",
    "theta_e_arcsec",
    "arc_snr",
    "src_x_arcsec",
    "src_y_arcsec",
)
MOST_BYTES = 300_000


def hero_image(run_dir: Path, out_png: Path) -> Path:
    """Write a strip of (raw | injected | difference) triplets of bright systems; its path.

    One column a system, below 300 kB. Raises InputError where the folder has no injected stamps.
    """
    run_dir, out_png = Path(run_dir), Path(out_png)
    table = read_table(run_dir, "metrics", COLUMNS)
    metrics, index = table.frame, index_stamps(run_dir, table.read)
    rows, position = _high_snr(metrics, index)
    if not len(rows):
        raise InputError(
            f"{run_dir}: no injected stamps under stamps/ with a row in metrics/; run a tier first"
        )
    places = [index.place(int(position[r])) for r in rows]
    pairs = read_pairs(index, places)
    labels = [_label(metrics, int(row)) for row in rows]
    _save(_strip([pairs[place] for place in places], labels), out_png)
    return out_png


def _high_snr(metrics: Frame, index: StampIndex) -> tuple[list[int], NDArray[np.int64]]:
    """(rows of a few well-resolved bright systems on different hosts, positions of all stamps)."""
    position = index_of(metrics, index)
    snr, theta = np.nan_to_num(metrics.numbers("arc_snr")), metrics.numbers("theta_e_arcsec")
    usable = np.flatnonzero((position >= 0) & ~metrics.flags("is_control") & (snr > 0))
    if not len(usable):
        return [], position
    wide = usable[theta[usable] >= np.quantile(theta[usable], 0.8)]
    low, high = np.quantile(snr[wide], [0.35, 0.75])  # well seen, but not outshining the host
    return _one_a_host(metrics, wide[(snr[wide] >= low) & (snr[wide] <= high)]), position


def _one_a_host(metrics: Frame, rows: NDArray[np.intp]) -> list[int]:
    """Systems with an arc and a counter-image first (source well off the centre), one a host."""
    hosts, theta = metrics.codes("host_id")[0], metrics.numbers("theta_e_arcsec")
    offset = np.hypot(metrics.numbers("src_x_arcsec"), metrics.numbers("src_y_arcsec")) / theta
    chosen: dict[int, int] = {}
    for row in rows[np.argsort(np.abs(offset[rows] - ARC_OFFSET), kind="stable")]:
        chosen.setdefault(int(hosts[row]), int(row))
    return list(chosen.values())[:SYSTEMS]


def _label(metrics: Frame, row: int) -> str:
    theta, snr = metrics.numbers("theta_e_arcsec")[row], metrics.numbers("arc_snr")[row]
    return f'theta_E {theta:.3g}"   SNR {snr:.0f}'


def _strip(pairs: list[tuple[Stamp, Stamp]], labels: list[str]) -> Image.Image:
    """Rows raw, injected, difference; one column a system."""
    names = ("raw", "injected", "difference")
    left = MARGIN + 84
    width = left + len(pairs) * (SIDE + GAP) - GAP + MARGIN
    height = MARGIN + LABEL + len(names) * (SIDE + GAP) - GAP + MARGIN
    canvas = Image.new("RGB", (width, height), NIGHT)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    for line, name in enumerate(names):
        draw.text((MARGIN, _top(line) + SIDE / 2), name, INK, font, anchor="lm")
    for column, ((injected, raw), label) in enumerate(zip(pairs, labels, strict=True)):
        x = left + column * (SIDE + GAP)
        draw.text((x + SIDE / 2, MARGIN + LABEL / 2 - 3), label, INK, font, anchor="mm")
        for line, picture in enumerate(
            (colours(raw), colours(injected), difference(injected, raw, gain_of(injected, raw)))
        ):
            canvas.paste(_enlarged(picture), (x, _top(line)))
    return canvas


def _enlarged(picture: Colours) -> Image.Image:
    """The middle of a picture, where the arcs are."""
    edge = max(0, (picture.shape[0] - MIDDLE) // 2)
    middle = picture[edge : picture.shape[0] - edge, edge : picture.shape[1] - edge]
    return Image.fromarray(middle, "RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _top(line: int) -> int:
    return MARGIN + LABEL + line * (SIDE + GAP)


def _save(canvas: Image.Image, path: Path) -> None:
    """As few colours as the size asks for; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".png")
    os.close(handle)
    temporary = Path(name)
    sample = canvas.resize((canvas.width // 2, canvas.height // 2), Image.Resampling.NEAREST)
    for n_colours in (256, 128, 64, 32):
        palette = sample.quantize(n_colours, Image.Quantize.MAXCOVERAGE, kmeans=1)
        dithered = canvas.quantize(n_colours, palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        dithered.save(temporary, "PNG", optimize=True)
        if temporary.stat().st_size < MOST_BYTES:
            break
    temporary.chmod(0o644)
    temporary.replace(path)
