"""jaxtronomy in a Python of its own: reads paths of systems, writes their images, answers CPU seconds.

Its rays and brightness in float32 under jit and vmap at s x s points a pixel, once for all bands, and a
Gaussian PSF of our own (two matrix products). Imports nothing of the project.
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtronomy.LensModel.lens_model import LensModel
from jaxtronomy.LightModel.light_model import LightModel

SIZE, PIXEL = 64, 0.262
LENS, LIGHT = LensModel(["SIE", "SHEAR"]), LightModel(["SERSIC_ELLIPSE"])


def _render(s: int):  # type: ignore[no-untyped-def]
    axis = ((np.arange(SIZE * s) + 0.5) / s - 0.5 * SIZE) * PIXEL
    x, y = (m.ravel() for m in np.meshgrid(axis, axis))
    distance = jnp.asarray(((np.arange(SIZE) + 0.5 - 0.5 * SIZE) * PIXEL)[:, None] - axis)

    def one(sie, shear, sersic, sigmas):  # type: ignore[no-untyped-def]
        beta = LENS.ray_shooting(jnp.asarray(x), jnp.asarray(y), [sie, shear])
        light = LIGHT.surface_brightness(*beta, [sersic]).reshape(SIZE * s, SIZE * s)
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
