"""The tables, once: Parquet writers, Glue tables, row contracts and the data dictionary all read this.

A column is declared with its type, unit, meaning and physical range. Partition keys are not columns of
the files: they live in the path (`pipeline.storage`) and in the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from survey.host_columns import HOST_COLUMNS

DATABASE = "darkhalo"
BANDS = ("g", "r", "z")
PARTITION_KEYS = ("tier", "run_id", "region_split")
SPLITS = ("train", "val", "test")
MASK_BITS = (
    "nprimary", "bright", "satur_g", "satur_r", "satur_z", "allmask_g", "allmask_r", "allmask_z", "wisem1",
    "wisem2", "bailout", "medium", "galaxy", "cluster", "satur_i", "allmask_i", "sub_blob",
)  # fmt: skip
"""The survey's mask bits: the names of `survey.maskbits`, which the Lambdas that read this must not load."""

Type = Literal["string", "bigint", "int", "double", "float", "boolean", "binary"]


@dataclass(frozen=True)
class Column:
    """One column. `low` and `high` bound every non-NULL value; NULL is allowed only where `nullable`."""

    name: str
    type: Type
    meaning: str
    unit: str = ""
    nullable: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """One table of the database `darkhalo`."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    partition_keys: tuple[str, ...] = PARTITION_KEYS

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name}.{name}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def _per_band(
    name: str, type: Type, meaning: str, unit: str = "", *, nullable: bool = False,
    low: float | None = None, high: float | None = None,
) -> tuple[Column, ...]:  # fmt: skip
    """The same column in each band: `{b}` in the name and the meaning stands for the band."""
    return tuple(
        Column(name.format(b=b), type, meaning.format(b=b), unit, nullable, low, high) for b in BANDS
    )


_IDENTITY = (
    Column("task_id", "string", "hash of experiment, host and parameters: the key of a row"),
    Column("experiment_id", "string", "<tier>_stamp<n>_bandsgrz_grid<grid>"),
    Column("brickname", "string", "the survey's brick that owns the host"),
    Column("host_id", "string", "<release>-<brickid>-<objid> of the host galaxy in the survey's catalogue"),
    Column("ra", "double", "right ascension of the host", "deg", low=0, high=360),
    Column("dec", "double", "declination of the host", "deg", low=-90, high=90),
    Column(
        "region_id", "bigint", "HEALPix pixel (nside 64, nested) of the brick's centre", low=0, high=49_151
    ),
    Column("lens_model", "string", "SIE or CONTROL"),
    Column("is_control", "boolean", "true where nothing is injected"),
)

_HOST_FLUX = _per_band(
    "host_flux_{b}_nmgy", "double", "the catalogue's flux of the host in {b}, as observed", "nmgy"
)

# NULL in controls, whose stamps hold no lens.
_PARAMETERS = (
    Column("theta_e_arcsec", "double", "Einstein radius: the tangential critical curve of the SIE encloses "
           "pi theta_E^2", "arcsec", nullable=True, low=1e-3, high=10),
    Column("lens_e", "double", "ellipticity (1 - q)/(1 + q) of the mass", nullable=True, low=0, high=0.9),
    Column("lens_phi_rad", "double", "position angle of the mass's major axis, counter-clockwise from +x",
           "rad", nullable=True, low=0, high=3.1416),
    Column("shear", "double", "external shear gamma", nullable=True, low=0, high=0.1),
    Column("shear_phi_rad", "double", "angle phi of gamma_1 = gamma cos 2 phi, gamma_2 = gamma sin 2 phi",
           "rad", nullable=True, low=0, high=3.1416),
    Column("src_dmag", "double", "unlensed source magnitude minus host magnitude, in r", "mag",
           nullable=True, low=-5, high=15),
    Column("src_reff_arcsec", "double", "half-light radius of the source, on the circularised radius",
           "arcsec", nullable=True, low=1e-3, high=10),
    Column("src_n_sersic", "double", "Sersic index of the source", nullable=True, low=0.3, high=8),
    Column("src_e", "double", "ellipticity (1 - q)/(1 + q) of the source", nullable=True, low=0, high=0.9),
    Column("src_phi_rad", "double", "position angle of the source's major axis", "rad",
           nullable=True, low=0, high=3.1416),
    Column("src_x_arcsec", "double", "unlensed source position, +x from the host", "arcsec",
           nullable=True, low=-30, high=30),
    Column("src_y_arcsec", "double", "unlensed source position, +y from the host", "arcsec",
           nullable=True, low=-30, high=30),
    *_per_band("src_flux_{b}_nmgy", "double", "unlensed total source flux in {b}", "nmgy",
               nullable=True, low=0),
)  # fmt: skip

MANIFEST = Table(
    "manifest",
    "One row a task, written before anything is rendered; every random number of the run is frozen here.",
    (
        *_IDENTITY,
        Column("task_seed64", "bigint", "key of the task's counter-based random numbers (Philox)"),
        *_PARAMETERS,
        Column("host_mag_r", "double", "AB magnitude of the host in r, as observed", "mag",
               low=5, high=30),
        *_HOST_FLUX,
        *_per_band("psfdepth_{b}", "double", "the catalogue's inverse variance of a point source in {b}",
                   "1/nmgy^2", nullable=True, low=0),
    ),
)  # fmt: skip

# Electrons per nmgy, from the telescope and not from pipeline.night_sky, on which maker and judges of the
# gain rest. DECam counts 44, 53 and 39 electrons a second from 1 nmgy in g, r and z (legacypipe's zero points
# of 25.00, 25.21 and 24.88 mag for one unit a second, here of 4.4 electrons). One pass of DECaLS takes 87, 67
# and 100 s (legacysurvey.org/decamls): 3,600 to 3,900. DES, 900 s a band: 35,000 to 48,000. High: four times
# that. Low: a pass of half the time, through clouds (0.4), under a sky four times as bright, on a telescope
# with half of DECam's light, has 90 to 100.
_GAIN_LOW, _GAIN_HIGH = 90, 200_000

METRICS = Table(
    "metrics",
    "One row a task, narrow: what was asked, what was measured, or why there is nothing (quarantine_reason).",
    (
        *_IDENTITY,
        *_PARAMETERS,
        *_HOST_FLUX,
        Column("cutout_ok", "boolean", "the stamp was cut from the coadd"),
        Column("quarantine_reason", "string", "why there is no stamp: missing_file, missing_band, truncated, "
               "corrupt, hash_mismatch, bailout, bad_wcs, off_edge, no_coverage, not_finite, no_psf, "
               "psf_out_of_range, gain_out_of_range ...",
               nullable=True),
        Column("metrics_ok", "boolean", "every measurement of the row and every pixel of its stamp exists "
               "and is finite"),
        *_per_band("psfsize_{b}", "double", "the survey's psfsize map at the host, in {b} (not a FWHM)",
                   "arcsec", nullable=True, low=0.3, high=5),
        *_per_band("psf_source_{b}", "string", "where the PSF in {b} came from: map, brick_mean or none; "
                   "given: by --psf; image: a user's coadd PSF", nullable=True),
        *_per_band("psf_fwhm_used_{b}", "double", "FWHM of the PSF that the arcs were convolved with, in {b} "
                   "(of an image: its psfsize)", "arcsec", nullable=True, low=0.2, high=5),
        Column("psf_kind", "string", "moffat or gaussian: the PSF that has the survey's noise-equivalent "
               "area; image: a user's coadd PSF", nullable=True),
        Column("psf_beta", "double", "Moffat index", nullable=True, low=1.1, high=100),
        *_per_band("psfdepth_{b}", "double", "the catalogue's inverse variance of a point source in {b}",
                   "1/nmgy^2", nullable=True, low=0),
        Column("arc_snr", "double", "matched-filter SNR of the added light in r: sqrt(sum s^2 invvar) over "
               "good pixels, the light's own noise in invvar where it has any", nullable=True, low=0),
        Column("arc_snr_sky", "double", "the same without the added light's own noise in invvar; equal where "
               "the tier adds none", nullable=True, low=0),
        Column("arc_peak_snr", "double", "largest s sqrt(invvar) over good pixels in r",
               nullable=True, low=0),
        Column("total_injected_flux", "double", "flux added to the stamp in r", "nmgy", nullable=True, low=0),
        *_per_band("injected_flux_{b}_nmgy", "double", "flux added to the stamp in {b}", "nmgy",
                   nullable=True, low=0),
        *_per_band("gain_{b}", "double", "electrons per nmgy in {b}: the effective gain of the Poisson noise "
                   "of the added light; NULL where the tier adds none", "1/nmgy",
                   nullable=True, low=_GAIN_LOW, high=_GAIN_HIGH),
        Column("magnification", "double", "lensed over unlensed source flux, whole plane, without PSF",
               nullable=True, low=1),
        Column("flux_in_stamp", "double", "part of the lensed flux in r inside the stamp, after the PSF",
               nullable=True, low=0, high=1.001),
        Column("bad_pixel_frac", "double", "fraction of the stamp's pixels with a bad mask bit or no invvar",
               nullable=True, low=0, high=1),
        Column("wise_brightmask_frac", "double", "fraction of the stamp's pixels in a WISE bright-star mask",
               nullable=True, low=0, high=1),
        *(Column(f"mask_{bit}_frac", "float", f"fraction of the stamp's pixels with {bit.upper()}; NULL "
                 "where the release has no such bit", nullable=True, low=0, high=1) for bit in MASK_BITS),
        Column("offset_x_arcsec", "double", "cx: host's sub-pixel offset from the stamp's middle, +x",
               "arcsec", nullable=True, low=-1, high=1),
        Column("offset_y_arcsec", "double", "cy: host's sub-pixel offset from the stamp's middle, +y",
               "arcsec", nullable=True, low=-1, high=1),
        Column("core_flux_r_nmgy", "double", "flux of the central 10 x 10 pixels of the stamp in r, arcs "
               "included", "nmgy", nullable=True),
        *_per_band("host_core_flux_{b}_nmgy", "double", "the same of the raw cutout, in {b}",
                   "nmgy",
                   nullable=True),
        Column("host_x_arcsec", "double", "centroid of the host's light in r from its catalogue position, "
               "+x; NULL where a neighbour outshines it", "arcsec", nullable=True, low=-2, high=2),
        Column("host_y_arcsec", "double", "centroid of the host's light in r from its catalogue position, "
               "+y",
               "arcsec", nullable=True, low=-2, high=2),
        *_per_band("sky_noise_{b}", "double", "pixel noise of the raw cutout in {b}, of pixels two apart, "
                   "over the one that invvar tells", nullable=True, low=0),
        *_per_band("sky_level_{b}", "double", "sky left in the raw cutout in {b}: mode of its pixels, in the "
                   "noise that invvar tells", nullable=True),
    ),
)  # fmt: skip

STAMPS = Table(
    "stamps",
    "One row a task that has pixels, wide. Images are little-endian float32 of shape (3, n_pix, n_pix), "
    "bands g, r, z, nanomaggies, row 0 at the bottom (south).",
    (
        Column("task_id", "string", "key, as in metrics"),
        Column("brickname", "string", "the survey's brick that owns the host"),
        Column("host_id", "string", "the host galaxy"),
        Column("is_control", "boolean", "true where nothing is injected"),
        Column("n_pix", "int", "side of the stamp", "px", low=16, high=512),
        Column("image", "binary", "the stamp, with the arcs added unless is_control", "nmgy"),
        Column("raw_image", "binary", "the same cutout untouched (dictionary-encoded: stored once a host)",
               "nmgy"),
        Column("image_hash", "string", "blake2b-64 of image, hexadecimal"),
        Column("raw_hash", "string", "blake2b-64 of raw_image: equal to image_hash in controls, only there"),
    ),
)  # fmt: skip

CLOSURE = Table(
    "closure",
    "A sample of the injections, each rendered again by an independent renderer from the manifest and the "
    "recorded PSF, against injected minus raw of its stamp.",
    (
        Column("task_id", "string", "key, as in metrics"),
        Column("brickname", "string", "the survey's brick that owns the host"),
        Column("host_id", "string", "the host galaxy"),
        Column("stratum", "string", "the cell of the parameters that the row was drawn from; not sampled: "
               "of a row that is here for its pixels alone"),
        Column("closure_reason", "string", "why nothing was compared: no_stamp, hash_mismatch (the "
               "pixels are not those that 4c hashed), not_finite, not_renderable; the second and third of "
               "any stamp, controls too, in the parts that hold the sample", nullable=True),
        *_per_band("closure_flux_{b}", "double", "flux added to the stamp in {b} over the "
                   "reference's, minus 1", nullable=True),
        *_per_band("closure_l2_{b}", "double", "norm of the difference over the norm of the reference, "
                   "in {b}", nullable=True, low=0),
        *_per_band("closure_moment_{b}", "double", "second moment of the added light in {b} over "
                   "the reference's, minus 1", nullable=True),
        *_per_band("closure_centroid_{b}_arcsec", "double", "distance of the added light's centroid from the "
                   "reference's, in {b}", "arcsec", nullable=True, low=0),
        Column("closure_core", "double", "recorded light in the middle (core_flux_r, host_core_flux) less "
               "that of the stored pixels, over the sum of their absolute values; the worst", nullable=True),
        Column("closure_magnification", "double", "recorded magnification over the reference's, minus 1",
               nullable=True),
        *_per_band("closure_noise_{b}", "double", "square of what the light's noise does not explain over "
                   "the noise's variance, in {b}; NULL without noise of the light", nullable=True, low=0),
        Column("closure_snr_loss", "double", "ln(arc_snr_sky / arc_snr) over that of the reference on an "
               "even sky, minus 1; NULL without noise of the light", nullable=True),
        Column("closure_arc_snr", "double", "ln of arc_snr over that of the reference on an even sky of the "
               "catalogue's depth, without masks; NULL where either is 0 or unknown", nullable=True),
        Column("closure_arc_peak_snr", "double", "the same of arc_peak_snr", nullable=True),
    ),
)  # fmt: skip

SKY = Table(
    "sky",
    "A sample of the hosts, the raw stamp of each against what the survey's catalogue says should be on it: "
    "the host and its neighbours, by the survey's PSF.",
    (
        Column("host_id", "string", "key, as in metrics"),
        Column("brickname", "string", "the survey's brick that owns the host"),
        Column("raw_hash", "string", "of the raw stamp that was compared, as in stamps"),
        Column("sky_reason", "string", "why nothing was compared: no_host (not in the host catalogue), "
               "no_depth (no psfdepth in it), no_shape (nor in the host catalogue alone), "
               "not_in_catalogue, catalogue_unreadable", nullable=True),
        Column("sky_neighbours", "int", "catalogued sources on the stamp beside the host; NULL where "
               "the sky has no source catalogue", nullable=True, low=0),
        Column("sky_orientation", "double", "1 if the stamp lies as its prediction, -1 if it is turned or "
               "mirrored; NULL where its neighbours do not tell", nullable=True),
        *_per_band("sky_light_{b}", "double", "ln of the light in {b} over the prediction's", nullable=True),
        *_per_band("sky_x_{b}_arcsec", "double", "by how much the light lies off in {b}, +x", "arcsec",
                   nullable=True),
        *_per_band("sky_y_{b}_arcsec", "double", "by how much the light lies off in {b}, +y", "arcsec",
                   nullable=True),
        *_per_band("sky_left_{b}", "double", "sky beside the predicted light in {b}, in the noise that the "
                   "catalogue's depth tells", nullable=True),
        *_per_band("sky_slope_{b}", "double", "change of that from edge to edge", nullable=True, low=0),
        *_per_band("sky_scatter_{b}", "double", "noise of the pixels beside the predicted light in {b} over "
                   "the one that the catalogue's depth tells", nullable=True, low=0),
        Column("sky_position_arcsec", "double", "distance of the recorded position from the catalogue's",
               "arcsec", nullable=True, low=0),
        *_per_band("sky_depth_{b}", "double", "ln of the recorded psfdepth over the catalogue's, in {b}",
                   nullable=True),
        *_per_band("sky_psf_{b}", "double", "ln of the recorded psfsize over the catalogue's, in {b}",
                   nullable=True),
    ),
)  # fmt: skip


CHECK_RESULTS = Table(
    "check_results",
    "One row a check of the gate.",
    (
        Column("name", "string", "the check: a file of athena_sql/checks"),
        Column("status", "string", "PASS, FAIL, WARN, INCONCLUSIVE or NOT_EXERCISED"),
        Column("critical", "boolean", "the tier demands PASS of this check"),
        Column("statistic", "double", "what was measured", nullable=True),
        Column("bound", "double", "what it is held against", nullable=True),
        Column("n", "bigint", "the units behind the statistic", nullable=True, low=0),
        Column("message", "string", "the finding in a sentence"),
        Column(
            "sql_sha256",
            "string",
            "SHA-256 of the SQL that the engine answered, hexadecimal; NULL where it did not",
            nullable=True,
        ),
        Column("code_version", "string", "hash of the sources that made and judged the run"),
    ),
)

SELECTION_FUNCTION = Table(
    "selection_function",
    "Completeness in cells of lens, source and observing conditions, with Wilson 95 % intervals.",
    (
        Column("cut", "string", "which sample: all rows or clean rows"),
        Column("theta_e_arcsec", "double", "Einstein radius of the cell", "arcsec", low=0, high=10),
        Column("src_dmag", "double", "source magnitude minus host magnitude of the cell", "mag"),
        Column("src_reff_arcsec", "double", "source half-light radius of the cell", "arcsec", low=0),
        Column("resolution_low", "double", "lower edge of the bin in theta_E / psfsize_r", low=0),
        Column("psfsize_low", "double", "lower edge of the bin in psfsize_r", "arcsec", low=0),
        Column("depth_low", "double", "lower edge of the bin in 5 sigma point-source depth in r", "mag",
               nullable=True),
        Column("n", "bigint", "injections in the cell", low=0),
        Column("n_hosts", "bigint", "hosts behind them", low=0),
        Column("n_recovered", "bigint", "of these, recovered: arc_snr >= 5 and theta_E/psfsize_r >= 0.8",
               low=0),
        Column("n_detected", "bigint", "of these, detected: arc_snr >= 5 alone, whatever the resolution",
               low=0),
        Column("completeness", "double", "n_recovered / n", low=0, high=1),
        Column("wilson_low", "double", "lower end of the 95 % interval", low=0, high=1),
        Column("wilson_high", "double", "upper end of the 95 % interval", low=0, high=1),
        Column("detected_fraction", "double", "n_detected / n: what was measured where the resolution "
               "threshold sets completeness to 0", low=0, high=1),
        Column("detected_low", "double", "lower end of its 95 % interval", low=0, high=1),
        Column("detected_high", "double", "upper end of its 95 % interval", low=0, high=1),
    ),
)  # fmt: skip

TABLES = (MANIFEST, METRICS, STAMPS, CLOSURE, SKY, CHECK_RESULTS, SELECTION_FUNCTION)
BY_NAME = {table.name: table for table in TABLES}

# A host catalogue is an input, not a table of the database; survey.hosts writes these columns.
HOSTS = Table(
    "hosts",
    "Galaxies to inject on: one row a host, sorted by brickname and host_id.",
    tuple(Column(*column[:-1]) for column in HOST_COLUMNS if column.use == "needed"),
    partition_keys=(),
)

# Of the same catalogue: what the prior ties the mass to. A column that is not there is NULL.
HOST_SHAPES = Table(
    "host_shapes",
    "Columns that a host catalogue may have: the shape of the host's light, as in the survey's catalogues.",
    tuple(replace(Column(*column[:-1]), nullable=True) for column in HOST_COLUMNS if column.use == "used"),
    partition_keys=(),
)
