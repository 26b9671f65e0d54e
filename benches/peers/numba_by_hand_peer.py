"""W1 in Numba with the generator written by hand as well: the same algorithm as
taugrid's. See README.md; rates as in common.py."""

import numpy as np
from numba import float32, int32, njit, uint32

import common

ROWS = 10  # rows of normals drawn at once, one normal per lane in each


@njit(fastmath=True)
def fill(state, bits, unit, z):
    """Fill z (an even number of rows of one standard normal per lane) by
    xoshiro128++ and Box-Muller. `unit` is scratch of one row; `bits` is its
    view as int32, for the logarithm's exponent and mantissa."""
    lanes = z.shape[1]
    for row in range(0, z.shape[0], 2):
        s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
        angle = state[4]
        for i in range(lanes):
            a, b, c, d = s0[i], s1[i], s2[i], s3[i]
            t = uint32(a + d)
            x = uint32(uint32(uint32(t << uint32(7)) | uint32(t >> uint32(25))) + a)
            t = uint32(b << uint32(9))
            c = uint32(c ^ a)
            d = uint32(d ^ b)
            b = uint32(b ^ c)
            a = uint32(a ^ d)
            c = uint32(c ^ t)
            d = uint32(uint32(d << uint32(11)) | uint32(d >> uint32(21)))
            t = uint32(a + d)
            y = uint32(uint32(uint32(t << uint32(7)) | uint32(t >> uint32(25))) + a)
            t = uint32(b << uint32(9))
            c = uint32(c ^ a)
            d = uint32(d ^ b)
            b = uint32(b ^ c)
            a = uint32(a ^ d)
            c = uint32(c ^ t)
            d = uint32(uint32(d << uint32(11)) | uint32(d >> uint32(21)))
            s0[i], s1[i], s2[i], s3[i] = a, b, c, d
            angle[i] = y
            unit[i] = float32(int32(x >> uint32(8))) + float32(0.5)
        for i in range(lanes):
            # radius = sqrt(-2 ln u), u = unit * 2^-24 = m * 2^e, 2/3 <= m < 4/3
            e = int32(int32(bits[i] - int32(0x3F2AAAAB)) >> int32(23))
            bits[i] = int32(bits[i] - int32(e << int32(23)))
            state[5, i] = uint32(e)
        for i in range(lanes):
            f = unit[i] - float32(1.0)
            p = float32(-0.130187988)
            p = p * f + float32(0.140889585)
            p = p * f + float32(-0.121489048)
            p = p * f + float32(0.139810786)
            p = p * f + float32(-0.16684261)
            p = p * f + float32(0.200120345)
            p = p * f + float32(-0.249996200)
            p = p * f + float32(0.333331972)
            p = p * f + float32(-0.5)
            e = float32(int32(state[5, i]) - int32(24))
            ln = p * (f * f) + f + e * float32(0.693147182)
            radius = np.sqrt(max(float32(-2.0) * ln, float32(0.0)))
            # angle in quarter turns from the upper bits, rest in [-1/2, 1/2)
            y = angle[i]
            q = float32(int32(uint32(y << uint32(2))) >> int32(8)) * float32(2.0**-24)
            g = q * float32(1.57079633)
            g2 = g * g
            s = ((float32(-1.9515296e-4) * g2 + float32(8.3321609e-3)) * g2
                 + float32(-1.6666655e-1)) * g2 * g + g
            c = ((float32(2.4433157e-5) * g2 + float32(-1.3887316e-3)) * g2
                 + float32(4.1666646e-2)) * g2 * g2 + float32(-0.5) * g2 + float32(1.0)
            # rotate by the quarter turns
            swap = (y >> uint32(30)) & uint32(1)
            s, c = (c, s) if swap else (s, c)
            low = (y >> uint32(31)) & uint32(1)
            z[row, i] = radius * (-c if low ^ swap else c)
            z[row + 1, i] = radius * (-s if low else s)


@njit(fastmath=True)
def w1_lanes(a, s, h, barrier, trials, state, lanes):
    """All trials, `lanes` at a time; a lane whose trial exits takes the next
    one. Returns the sum of the exit steps."""
    d = len(a)
    z = np.empty((ROWS, lanes), np.float32)
    unit = np.empty(lanes, np.float32)
    bits = unit.view(np.int32)
    theta = np.zeros((d, lanes), np.float32)
    twice = np.zeros(lanes, np.float32)  # 2 * loss
    began = np.zeros(lanes, np.int64)
    limit = np.full(lanes, float32(2) * barrier, np.float32)
    started = lanes
    done = 0
    total = 0
    step = 0
    k = 0
    while True:
        fill(state, bits, unit, z)
        for row in range(ROWS):
            if k == 0:
                twice[:] = float32(0)
            ak, sk, hk = a[k], s[k], h[k]
            for i in range(lanes):
                t = ak * theta[k, i] + sk * z[row, i]
                theta[k, i] = t
                twice[i] += hk * t * t
            k += 1
            if k < d:
                continue
            k = 0
            step += 1
            out = 0
            for i in range(lanes):
                out += twice[i] >= limit[i]
            if out == 0:
                continue
            for i in range(lanes):
                if twice[i] >= limit[i]:
                    total += step - began[i]
                    done += 1
                    if done == trials:
                        return total
                    theta[:, i] = float32(0)
                    began[i] = step
                    if started < trials:
                        started += 1
                    else:
                        limit[i] = np.inf


def make_w1(d, trials):
    """See `common.measure_w1`."""
    a, s, h, barrier = common.quadratic(d)
    lanes = min(LANES[d], trials)

    def run(seed):
        rng = np.random.default_rng(seed)
        state = rng.integers(1, 2**32, (6, lanes), dtype=np.uint32)
        return w1_lanes(a, s, h, barrier, trials, state, lanes)

    compiled = common.quadratic(1)[:3]
    w1_lanes(*compiled, np.float32(1e-4), 1, np.ones((6, 1), np.uint32), 1)
    return run


LANES = {1: 128, 10: 128, 100: 64, 1000: 32}  # best of 32 ... 512

if __name__ == "__main__":
    common.measure_w1("numba-by-hand", common.arguments("numba-by-hand", ("W1",)), make_w1)
