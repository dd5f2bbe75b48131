"""A tier is data: one TOML file here, read and validated by `pipeline.tier`."""
