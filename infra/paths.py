"""Where the repository lies, and the data bucket's prefixes, which policies and lifecycle rules name.

Keys below runs/, hosts/ and cache/ are built by `pipeline.storage`, which a test compares with these.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ATHENA_RESULTS = "athena-results/"  # result CSVs of Athena, expired by lifecycle
MAP_RESULTS = "map-results"  # result files of the distributed Maps, expired by lifecycle
RUNS = "runs/"
CACHE = "cache/"
HOSTS = "hosts/"
GO = "go/"  # the GOs that tiers ask for before they start
SKY = "sky/"  # where an operator may upload bricks for 4b: s3://<data bucket>/sky/...
