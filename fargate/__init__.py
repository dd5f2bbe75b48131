"""The task of phases 4b and 4c: environment in, one call, exit code out."""
