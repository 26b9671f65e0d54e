"""W1 in JAX with the generator written by hand: the same algorithm as taugrid's.
See README.md; rates as in common.py."""

from jax_peer import trial_loop  # sets JAX's flags, so before JAX

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import common

F4 = np.float32
LANES = {1: 8192, 10: 1024, 100: 128, 1000: 32}


def bits(state):
    """xoshiro128++: the next uint32 of every lane, and the new state."""
    a, b, c, d = state
    out = a + d
    out = ((out << 7) | (out >> 25)) + a
    t = b << 9
    c, d = c ^ a, d ^ b
    b, a = b ^ c, a ^ d
    return out, (a, b, c ^ t, (d << 11) | (d >> 21))


def normals(state):
    """Box-Muller: two standard normals for every lane, and the new state.
    Logarithm, sine and cosine as polynomials, which XLA turns into vector
    code (8 times as fast as jnp.log, jnp.cos and jnp.sin)."""
    u, state = bits(state)
    v, state = bits(state)
    u = (u >> 8).astype(jnp.int32).astype(jnp.float32) + F4(0.5)
    b = lax.bitcast_convert_type(u, jnp.int32)
    e = (b - 0x3F2AAAAB) >> 23
    m = lax.bitcast_convert_type(b - (e << 23), jnp.float32) - 1
    p = F4(-0.130187988)
    for c in (0.140889585, -0.121489048, 0.139810786, -0.16684261, 0.200120345,
              -0.2499962, 0.333331972, -0.5):
        p = p * m + F4(c)
    ln = p * (m * m) + m + (e - 24).astype(jnp.float32) * F4(0.693147182)
    radius = jnp.sqrt(jnp.maximum(-2 * ln, 0))
    g = ((v << 2).astype(jnp.int32) >> 8).astype(jnp.float32) * F4(1.57079633 * 2.0**-24)
    g2 = g * g
    s = ((F4(-1.9515296e-4) * g2 + F4(8.3321609e-3)) * g2 + F4(-1.6666655e-1)) * g2 * g + g
    c = (F4(2.4433157e-5) * g2 + F4(-1.3887316e-3)) * g2 + F4(4.1666646e-2)
    c = c * g2 * g2 - F4(0.5) * g2 + 1
    swap, low = (v >> 30) & 1 == 1, v >> 31 == 1
    s, c = jnp.where(swap, c, s), jnp.where(swap, s, c)
    return radius * jnp.where(low ^ swap, -c, c), radius * jnp.where(low, -s, s), state


def make_w1(d, trials):
    """See `common.measure_w1`."""
    a, s, h, barrier = common.quadratic(d)
    pairs = max(1, d // 2)
    (a1, s1, h1), (a2, s2, h2) = (
        [v.reshape(-1, pairs, 1)[i % max(1, d // pairs)] for v in (a, s, h)] for i in (0, 1)
    )

    @jax.jit
    def chunk(state, theta, steps, alive, until):
        """Steps until no more than `until` particles are alive. theta: both
        halves, pairs x lanes each; d = 1 uses only one and makes two steps."""

        def body(carry):
            state, (x, y), steps, alive = carry
            n, m, state = normals(state)
            x = a1 * x + s1 * n
            if d == 1:
                steps = steps + alive
                alive = alive & (0.5 * h1 * x * x < barrier)[0]
                x = a1 * x + s1 * m
                loss = 0.5 * h1 * x * x
            else:
                y = a2 * y + s2 * m
                loss = 0.5 * (h1 * x * x + h2 * y * y)
            steps = steps + alive
            alive = alive & (loss.sum(axis=0) < barrier)
            return state, (x, y), steps, alive

        return lax.while_loop(
            lambda carry: carry[3].sum() > until, body, (state, theta, steps, alive)
        )

    def fresh(seed, lanes):
        rng = np.random.default_rng(seed)
        state = rng.integers(1, 2**32, (4, pairs, lanes), dtype=np.uint32)
        zero = jnp.zeros((pairs, lanes), jnp.float32)
        return tuple(jnp.asarray(state)), (zero, zero)

    return trial_loop(chunk, fresh, LANES[d], trials)


if __name__ == "__main__":
    common.measure_w1("jax-by-hand", common.arguments("jax-by-hand", ("W1",)), make_w1)
