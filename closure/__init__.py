"""The independent renderer of the closure test: lenstronomy's rays and profiles, integrated adaptively.

Nothing of `physics` is imported, and no formula is shared with it: what both get wrong in the same way would
pass the gate. It knows arrays and floats: no files, no AWS, no tables.
"""

from closure.compare import Deviation, deviation
from closure.noise import arc_snr, snr_loss, uniforms, without_noise
from closure.reference import Lens, PsfModel, Source, render
from closure.sky import CatalogueSource, SkyFit, fit, orientation, predict

__all__ = [
    "CatalogueSource", "Deviation", "Lens", "PsfModel", "SkyFit", "Source", "arc_snr", "deviation", "fit",
    "orientation", "predict", "render", "snr_loss", "uniforms", "without_noise",
]  # fmt: skip
