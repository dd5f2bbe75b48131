"""caustics, with its JAX backend, in a Python of its own: reads paths of systems, writes their images,
answers CPU seconds.

Its SIE, shear and Sersic functions in float32 under jit and vmap at s x s points a pixel, once for all bands,
and a Gaussian PSF of our own (two matrix products). Imports nothing of the project.
"""

import os
import sys
import time
import types

os.environ["CASKADE_BACKEND"] = "jax"
# its self-test, which it imports, needs torch whatever the backend
sys.modules["caustics.tests"] = types.ModuleType("caustics.tests")
sys.modules["caustics.tests"].test = None  # type: ignore[attr-defined]

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from caustics.lenses.func import (  # noqa: E402
    reduced_deflection_angle_external_shear,
    reduced_deflection_angle_sie,
)
from caustics.light.func import brightness_sersic, k_lenstronomy  # noqa: E402

SIZE, PIXEL = 64, 0.262


def _shape(group):  # type: ignore[no-untyped-def]
    """Axis ratio and position angle of lenstronomy's ellipticity."""
    e = jnp.hypot(group["e1"], group["e2"])
    return (1 - e) / (1 + e), 0.5 * jnp.arctan2(group["e2"], group["e1"])


def _render(s: int):  # type: ignore[no-untyped-def]
    axis = ((np.arange(SIZE * s) + 0.5) / s - 0.5 * SIZE) * PIXEL
    x, y = (jnp.asarray(m.ravel(), jnp.float32) for m in np.meshgrid(axis, axis))
    distance = jnp.asarray(((np.arange(SIZE) + 0.5 - 0.5 * SIZE) * PIXEL)[:, None] - axis, jnp.float32)

    def one(sie, shear, sersic, sigmas):  # type: ignore[no-untyped-def]
        at = sie["center_x"], sie["center_y"]
        ax, ay = reduced_deflection_angle_sie(*at, *_shape(sie), sie["theta_E"], x, y)
        gx, gy = reduced_deflection_angle_external_shear(*at, shear["gamma1"], shear["gamma2"], x, y)
        n, shape = sersic["n_sersic"], _shape(sersic)
        major = sersic["R_sersic"] / jnp.sqrt(shape[0])  # its radius is the one along the major axis
        light = brightness_sersic(
            sersic["center_x"], sersic["center_y"], *shape, n, major, sersic["amp"],
            x - ax - gx, y - ay - gy, k_lenstronomy(n),
        ).reshape(SIZE * s, SIZE * s)  # fmt: skip
        psf = jnp.exp(-0.5 * (distance / sigmas[:, None, None]) ** 2)
        psf *= PIXEL / s / (sigmas[:, None, None] * np.sqrt(2 * np.pi))
        return PIXEL**2 * jnp.einsum("bij,jk,blk->bil", psf, light, psf)

    return jax.jit(jax.vmap(one))


def main() -> None:
    """Serve requests: "s path" a line."""
    compiled = {}
    for line in sys.stdin:
        s, path = line.split()
        stored = dict(np.load(path))
        groups = [
            {k.split(".")[1]: v for k, v in stored.items() if k.startswith(name)}
            for name in ("sie.", "shear.", "sersic.")
        ]
        render = compiled.setdefault(int(s), _render(int(s)))
        start = time.process_time()
        images = np.asarray(render(*groups, stored["sigmas"]))
        spent = time.process_time() - start
        np.save(path + ".npy", images)
        print(spent, flush=True)


if __name__ == "__main__":
    main()
