"""Every key that the pipeline writes is built, and parsed, here.

hosts/<sha256>.parquet                      host catalogues, by content
cache/<survey's relative path>/<sha256>     phase 4b: verified files of bricks, by content
cache/bricks/<brick>/<source>-<whole|targets|bad>.json  of which of them a brick of a source consists: pinned
cache/coadd-psf/059/0591m305/<host_id>.fits a user's PSF images, read where psf.kind is "image"
runs/<run_id>/plan.json                     what was asked: tier, hosts, sky, counts
runs/<run_id>/chunks.json                   the array that the distributed Map reads
runs/<run_id>/<table>/tier=/run_id=/region_split=/part-NNNNN.parquet
runs/<run_id>/canary/<table>/tier=canary/run_id=/region_split=/part-NNNNN.parquet  the gate must refuse these
runs/<run_id>/receipts/<phase>/<chunk_id>.json
runs/<run_id>/verdict.json                  (the report puts review.html beside it)
runs/<run_id>/_SUCCESS.json                 last: downstream reads only runs that have it
go/<tier>/<code version>/<run_id>.json      the GO of a whole tier, for tiers that require it
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from pipeline.errors import InputError
from pipeline.schema import BY_NAME

RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,30}")
_PART = re.compile(
    r"runs/(?P<run>[a-z0-9-]+)/(?P<canary>canary/)?(?P<table>[a-z_]+)"
    r"/tier=(?P<tier>[a-z0-9_]+)/run_id=(?P<run_id>[a-z0-9-]+)/region_split=(?P<split>[a-z]+)"
    r"/part-(?P<part>\d{5})\.parquet"
)
CANARY = "canary"  # in place of a tier's name: rows that are no tier's
NO_SPLIT = "all"  # the partition of tables that are not split by sky region


def check_run_id(run_id: str) -> str:
    """The id, if it can stand in a key, in SQL and in an execution's name; InputError otherwise."""
    if not RUN_ID.fullmatch(run_id):
        raise InputError(f"--run-id {run_id!r}: use 1 to 63 lower-case letters, digits and hyphens")
    return run_id


def check_tier_name(tier: str) -> str:
    """The name, if it can stand in a key and in SQL; InputError otherwise."""
    if not _NAME.fullmatch(tier):
        raise InputError(f"tier name {tier!r}: use lower-case letters, digits and underscores")
    return tier


@dataclass(frozen=True)
class Partition:
    """One partition of a table: the unit that is registered in the catalogue."""

    table: str
    tier: str
    run_id: str
    region_split: str

    @property
    def values(self) -> list[str]:
        """Values of schema.PARTITION_KEYS, in order."""
        return [self.tier, self.run_id, self.region_split]

    @property
    def prefix(self) -> str:
        below = f"{CANARY}/" if self.tier == CANARY else ""
        return (
            f"runs/{self.run_id}/{below}{self.table}"
            f"/tier={self.tier}/run_id={self.run_id}/region_split={self.region_split}/"
        )

    def part(self, number: int) -> str:
        """Key of part `number`: deterministic, so that a retry writes the same key."""
        return f"{self.prefix}part-{number:05d}.parquet"


@dataclass(frozen=True)
class Part:
    """A parsed part key."""

    partition: Partition
    number: int


def parse_part(key: str) -> Part:
    """The inverse of Partition.part; ValueError for any other key."""
    match = _PART.fullmatch(key)
    if not match or match["run"] != match["run_id"] or match["table"] not in BY_NAME:
        raise ValueError(f"not a part of a table: {key}")
    if bool(match["canary"]) != (match["tier"] == CANARY):
        raise ValueError(f"not a part of a table: {key}")
    partition = Partition(match["table"], match["tier"], match["run_id"], match["split"])
    return Part(partition, int(match["part"]))


@dataclass(frozen=True)
class RunLayout:
    """Keys of one run."""

    tier: str
    run_id: str

    def __post_init__(self) -> None:
        check_run_id(self.run_id)
        check_tier_name(self.tier)

    @property
    def prefix(self) -> str:
        return f"runs/{self.run_id}/"

    @property
    def plan(self) -> str:
        return f"{self.prefix}plan.json"

    @property
    def chunks(self) -> str:
        return f"{self.prefix}chunks.json"

    @property
    def verdict(self) -> str:
        return f"{self.prefix}verdict.json"

    @property
    def success(self) -> str:
        return f"{self.prefix}_SUCCESS.json"

    def receipt(self, phase: str, chunk_id: str) -> str:
        return f"{self.prefix}receipts/{phase}/{chunk_id}.json"

    def partition(self, table: str, region_split: str = NO_SPLIT) -> Partition:
        return Partition(BY_NAME[table].name, self.tier, self.run_id, region_split)


def hosts_key(sha256: str) -> str:
    """Key of a host catalogue, by the hash of its bytes."""
    return f"hosts/{sha256}.parquet"


def go_prefix(tier: str, code_version: str) -> str:
    """Where the GOs of a tier that this code made are kept."""
    return f"go/{check_tier_name(tier)}/{code_version}/"


def go_key(tier: str, code_version: str, run_id: str) -> str:
    """Key of the record that a run of a whole tier was published with GO."""
    return f"{go_prefix(tier, code_version)}{check_run_id(run_id)}.json"


def cache_key(survey_path: str, sha256: str) -> str:
    """Key of a cached survey file. By content: two releases of one brick never overwrite each other."""
    return f"cache/{survey_path}/{sha256}"


def cached_brick_key(source: str, brick: str, part: str) -> str:
    """Key of the record of a brick.

    source: address of the release it came from; part: "whole", "bad", or the stamps that some of its tiles
    were fetched for.
    """
    origin = hashlib.sha256(source.rstrip("/").encode()).hexdigest()[:16]
    name = part if part in ("whole", "bad") else hashlib.sha256(part.encode()).hexdigest()[:16]
    return f"cache/bricks/{brick}/{origin}-{name}.json"


def coadd_psf_prefix(brick: str) -> str:
    """Where a user may put PSF images for the hosts of a brick."""
    return f"cache/coadd-psf/{brick[:3]}/{brick}/"


def coadd_psf_key(brick: str, host_id: str) -> str:
    """Key of a host's PSF images."""
    return f"{coadd_psf_prefix(brick)}{host_id}.fits"
