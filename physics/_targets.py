"""Which processors kernels are compiled for ahead of time, and which of them this machine is.

numba keys its cache by processor: a task that starts on another one than the image was built on would compile
for half a minute. So an image's cache is filled once for each target below (`fargate.bake`) and carries
their names in a file; a process that finds the file runs as the best of them that its processor can. Without
the file, on a laptop, numba compiles for the processor at hand.

Targets are LLVM's names, best first. All have fused multiply-add, and no kernel lets a compiler reorder a
sum, so images agree between targets to 1e-6 of their peak (tests/fargate/test_bake.py).
"""

import platform
from collections.abc import Mapping
from pathlib import Path

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from numba.core import config

#: Targets of an architecture, best first, and the processor features (LLVM's names) that each needs.
_X86_64_V3 = frozenset({"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"})
TARGETS: dict[str, dict[str, frozenset[str]]] = {
    "x86_64": {
        "x86-64-v4": _X86_64_V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
        "x86-64-v3": _X86_64_V3,
    },
    # Graviton3 and its successors have SVE; Graviton2 has not
    "aarch64": {"neoverse-v1": frozenset({"neon", "sve"}), "neoverse-n1": frozenset({"neon"})},
}
#: In the cache folder: the targets it was filled for, a line each.
BAKED = "targets.txt"


def host_features() -> frozenset[str]:
    """LLVM's names of what this processor can do."""
    found: Mapping[str, bool] = llvm.get_host_cpu_features()
    return frozenset(name for name, present in found.items() if present)


def supported(features: frozenset[str], machine: str = platform.machine()) -> list[str]:
    """The targets that a processor with these features can run, best first."""
    return [name for name, needed in TARGETS.get(machine, {}).items() if needed <= features]


def use_baked(folder: Path) -> None:
    """Compile and load kernels for the best target baked in this cache folder that the processor can run.

    To be called before the first kernel is declared. NUMBA_CPU_NAME, where set, is obeyed instead.
    """
    if config.CPU_NAME is not None or not (folder / BAKED).exists():
        return
    baked = (folder / BAKED).read_text().split()
    best = next((name for name in supported(host_features()) if name in baked), None)
    if best is not None:
        config.CPU_NAME, config.CPU_FEATURES = best, ""
