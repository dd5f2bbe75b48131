"""Phase 5: what trains on the stamps. Today the loader; the baseline network is still to come."""

from training.stamps import Batch, load_batches

__all__ = ["Batch", "load_batches"]
