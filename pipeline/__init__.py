"""The product's own language: tiers, schemas, storage, manifests, injection, verdict, selection function.

Nothing is imported here: a Lambda that needs one module must not load the others (numba least of all).
"""
