"""The same system as lenstronomy renders it: its rays, its profile, an exact b_n."""

import numpy as np
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LensModel.Profiles.sersic_utils import SersicUtil
from lenstronomy.LightModel.light_model import LightModel
from scipy.special import gamma, gammaincinv


def _ellipticity(q, phi):
    e = (1 - q) / (1 + q)
    return e * np.cos(2 * phi), e * np.sin(2 * phi)


def lens_model(lens):
    """Its LensModel and that model's arguments."""
    e1, e2 = _ellipticity(lens.q, lens.phi)
    kwargs = [
        {"theta_E": lens.theta_e, "e1": e1, "e2": e2, "center_x": lens.x, "center_y": lens.y},
        {
            "gamma1": lens.gamma * np.cos(2 * lens.phi_gamma),
            "gamma2": lens.gamma * np.sin(2 * lens.phi_gamma),
            "ra_0": lens.x,
            "dec_0": lens.y,
        },
    ]
    return LensModel(["SIE", "SHEAR"]), kwargs


def light_kwargs(source):
    """Arguments of its SERSIC_ELLIPSE for unit flux; its b_n is an approximation, made up for here."""
    n = source.n_sersic
    b, approximate = gammaincinv(2 * n, 0.5), SersicUtil().b_n(n)
    e1, e2 = _ellipticity(source.q, source.phi)
    central = b ** (2 * n) / (2 * np.pi * n * source.r_eff**2 * gamma(2 * n))
    return {
        "amp": central * np.exp(-approximate),
        "R_sersic": source.r_eff * (approximate / b) ** n,
        "n_sersic": n,
        "e1": e1,
        "e2": e2,
        "center_x": source.x,
        "center_y": source.y,
    }


def brightness_function(lens, source):
    """Surface brightness of a unit-flux source at image positions.

    Its LightModel flattens the profile inside 1e-4" by default, which costs a compact n = 6 source 7e-4 of
    its flux on a caustic: switched off.
    """
    model, kwargs_lens = lens_model(lens)
    light = LightModel(["SERSIC_ELLIPSE"], profile_kwargs_list=[{"smoothing": 1e-8}])
    kwargs_light = [light_kwargs(source)]

    def brightness(x, y):
        if lens.theta_e > 0 or lens.gamma > 0:
            x, y = model.ray_shooting(x, y, kwargs_lens)
        return light.surface_brightness(x, y, kwargs_light)

    return brightness
