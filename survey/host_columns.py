"""The columns of a host catalogue, once: `survey.hosts` writes them, the pipeline reads and checks them.

Python only: the Lambdas load it with the pipeline's tables.
"""

from typing import Literal, NamedTuple

from survey.layout import BANDS

#: HEALPix resolution (nested) of region_id.
REGION_NSIDE = 64


class HostColumn(NamedTuple):
    """One column.

    Attributes
    ----------
    name, type, meaning, unit : str
        As in the data dictionary.
    nullable : bool
        Whether a row may have no value.
    low, high : float or None
        Bounds of every value.
    use : str
        "needed": a catalogue without it cannot be planned; "used" where it is there; "kept": for people.
    """

    name: str
    type: Literal["string", "bigint", "double"]
    meaning: str
    unit: str = ""
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    use: Literal["needed", "used", "kept"] = "needed"


def _magnitude(band: str, use: Literal["needed", "kept"] = "needed") -> HostColumn:
    meaning = f"AB magnitude in {band}, extinction-corrected; NULL if flux <= 0"
    return HostColumn(f"mag_{band}", "double", meaning, "mag", True, 5, 35, use)


HOST_COLUMNS = (
    HostColumn("host_id", "string", "<release>-<brickid>-<objid>"),
    HostColumn("brickname", "string", "the brick that owns the host"),
    HostColumn("ra", "double", "right ascension", "deg", low=0, high=360),
    HostColumn("dec", "double", "declination", "deg", low=-90, high=90),
    HostColumn("region_id", "bigint", "HEALPix pixel (nside 64, nested) of the brick's centre",
               low=0, high=49_151),
    HostColumn("host_type", "string", "the catalogue's morphological type", use="kept"),
    *(_magnitude(band) for band in BANDS),
    _magnitude("w1", "kept"),
    HostColumn("flux_g_nmgy", "double", "flux in g as observed; faint red hosts may be negative", "nmgy"),
    HostColumn("flux_r_nmgy", "double", "flux in r as observed: magnitude 5 to 30", "nmgy",
               low=1e-3, high=1e7),
    HostColumn("flux_z_nmgy", "double", "flux in z as observed", "nmgy", low=1e-3),
    HostColumn("shape_r_arcsec", "double", "half-light radius", "arcsec", low=0, use="kept"),
    HostColumn("shape_e1", "double", "ellipticity (1 - q)/(1 + q) times cos 2 PA, PA east of north",
               low=-1, high=1, use="used"),
    HostColumn("shape_e2", "double", "ellipticity (1 - q)/(1 + q) times sin 2 PA",
               low=-1, high=1, use="used"),
    HostColumn("ebv", "double", "E(B-V) on the SFD98 map", "mag", low=0, use="kept"),
    HostColumn("maskbits", "bigint", "mask bits at the source", use="kept"),
    *(HostColumn(f"psfsize_{band}_arcsec", "double", f"the catalogue's psfsize in {band}; NULL before DR9",
                 "arcsec", True, low=0) for band in BANDS),
    *(HostColumn(f"psfdepth_{band}", "double", f"inverse variance of a point source in {band}", "1/nmgy^2",
                 True, low=0) for band in BANDS),
)  # fmt: skip
