"""What was published of circuits whose tables say nothing of it themselves, by the sha256 of the table."""

from __future__ import annotations

from precision.arithmetic.multipliers.base import Published

_EVOAPPROX = "EvoApproxLib: V. Mrazek, R. Hrbacek, Z. Vasicek, L. Sekanina, DATE 2017, "
_CIRCUITS = {  # milliwatts, square micrometres, the sha256 of the table
    "mul8u_1JFF": (0.391, 709.6, "0c6fd3441f139fb52cb64129eeb8b9cf866d6d095563d74639bd7459d183a8c1"),
    "mul8u_2P7": (0.386, 676.3, "a631aa6e8dcec9e80be826753eb5e637f050140fb346b8811cd8c5f9a6c0ef10"),
    "mul8u_14VP": (0.364, 654.2, "30e51f3b4d2c76467575bc67cfbc6900bd160cef75bf5a2b5fb36454d522d42f"),
    "mul8u_CK5": (0.345, 604.5, "9c3539e69dfe6fa3498770cb1088ad4beb10f83a92920fb9bed350d9b278aa6a"),
    "mul8u_2AC": (0.311, 508.3, "fbc8b37847129608cfe24366472411610217eac6ee6bc1c91ca8cb19a0eb7cfe"),
    "mul8u_NGR": (0.276, 511.5, "36b773737c39054db244073f0ba0363eef6dcb5bd23ce5a70c4836d56e9d478f"),
    "mul8u_DM1": (0.195, 401.7, "981676f7610d679be5e2b1256825cd07d303cf2961ae3c06f6c1d9095b4a291b"),
    "mul8u_1AGV": (0.095, 228.5, "7c90f1b7dd145205c140fa92e622e3ddb150cea9f3b7332c01b5bba0f20acec8"),
    "mul8u_L40": (0.189, 437.4, "b07abb17f4940d34383a386f6e260ec81be362af2b8d1051d9ac40e000d49890"),
    "mul8u_JV3": (0.034, 110.8, "eebd2e95cda4e309d451d566077d9fca64419879921f7a33bc2ebefd1a18d4a5"),
}
PUBLISHED = {
    digest: Published(power=power, area=area, technology="45 nm", source=f"{_EVOAPPROX}{name}")
    for name, (power, area, digest) in _CIRCUITS.items()
}
"""By the sha256 of a .bin file, as its authors distribute it."""
