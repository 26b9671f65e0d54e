"""The four workloads in JAX on the CPU, whole chunks of steps inside one jitted
while_loop. See README.md; rates as in common.py."""

import os

# One thread in each process; before JAX is imported.
os.environ["XLA_FLAGS"] = (
    "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import common

F4 = np.float32
LANES = {1: 8192, 10: 1024, 100: 128, 1000: 32}
NARROW = 16  # lanes below which finished particles are no longer dropped
W3_TILE = 70  # examples; divides N; best of 35 ... 298


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
    """See `common.measure_w1`. The jitted loop runs until enough particles
    have left; the host then puts new trials in their places, and at the end
    halves the number of lanes."""
    a, s, h, barrier = common.quadratic(d)
    pairs = max(1, d // 2)
    (a1, s1, h1), (a2, s2, h2) = (
        [v.reshape(-1, pairs, 1)[i % max(1, d // pairs)] for v in (a, s, h)] for i in (0, 1)
    )

    @jax.jit
    def chunk(state, x, y, steps, alive, until):
        """Steps until no more than `until` particles are alive. x, y (pairs x
        lanes): both halves of theta; d = 1 has only x and makes two steps."""

        def body(carry):
            state, x, y, steps, alive = carry
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
            return state, x, y, steps, alive

        return lax.while_loop(
            lambda carry: carry[4].sum() > until, body, (state, x, y, steps, alive)
        )

    def fresh(rng, lanes):
        state = rng.integers(1, 2**32, (4, pairs, lanes), dtype=np.uint32)
        zero = jnp.zeros((pairs, lanes), jnp.float32)
        return tuple(jnp.asarray(state)), zero, zero

    def run(seed, trials=trials):
        rng = np.random.default_rng(seed)
        lanes = min(LANES[d], trials)
        (state, x, y), started, total = fresh(rng, lanes), lanes, 0
        steps, alive = np.zeros(lanes, np.int32), np.ones(lanes, bool)
        while alive.any():
            if started < trials:
                until = lanes - max(1, lanes // 16)
            else:
                until = lanes // 2 if lanes > NARROW else 0
            state, x, y, steps, alive = chunk(state, x, y, steps, alive, until)
            steps, alive = np.array(steps), np.array(alive)
            gone = np.flatnonzero(~alive)
            total += int(steps[gone].sum())
            steps[gone] = 0
            new = gone[: trials - started]
            started += len(new)
            alive[new] = True
            fill = np.zeros(lanes, bool)
            fill[new] = True
            x, y = jnp.where(fill, 0, x), jnp.where(fill, 0, y)
            if started == trials and NARROW < lanes and 2 * alive.sum() <= lanes:
                lanes //= 2
                keep = np.argsort(~alive, kind="stable")[:lanes]
                state, x, y = tuple(v[:, keep] for v in state), x[:, keep], y[:, keep]
                steps, alive = steps[keep], alive[keep]
        return total

    run(0, min(trials, LANES[d]))  # compiles for every number of lanes
    return run


def step(w1, w2, b2, xb, yb, coef):
    """One SGD step, w - sum over examples of coef * gradient of half the
    squared error; all arrays may have the same axes of chains in front."""
    a = jnp.maximum(xb @ w1, 0)
    e = (a @ w2 + b2 - yb) * coef
    da = jnp.where(a > 0, e @ w2.mT, 0)
    return w1 - xb.mT @ da, w2 - a.mT @ e, b2 - e.sum(axis=-2, keepdims=True)


def far(w, star):
    """Whether any chain is outside its ball."""
    axes = (-2, -1)
    square = sum(((a - b) ** 2).sum(axis=axes) for a, b in zip(w, star))
    return jnp.any(square >= common.RADIUS**2)


def start(hidden, chains=None):
    """The weights w1 (11 x hidden), w2 (hidden x 12), b2 (1 x 12)."""
    w1, w2 = (jnp.asarray(w) for w in common.start_weights(hidden, chains))
    return w1, w2[..., :-1, :], w2[..., -1:, :]


def make_minibatch(core, workload, batch, chains, steps):
    """W2 (chains None) and W4: `advance` does `steps` steps of all chains."""
    x, y = (jnp.asarray(v) for v in common.data())
    rng = np.random.default_rng(core)
    star = start(common.HIDDEN[workload], chains)
    coef = F4(common.MLP_ETA * 2 / (common.CLASSES * batch))
    shape = (steps, batch) if chains is None else (steps, chains, batch)

    @jax.jit
    def chunk(w, star, x, y, index):
        def body(carry):
            k, w, _ = carry
            w = step(*w, x[index[k]], y[index[k]], coef)
            return k + 1, w, far(w, star)

        return lax.while_loop(
            lambda carry: (carry[0] < steps) & ~carry[2], body, (0, w, False)
        )

    now = [star]

    def advance():
        index = common.draw(rng, int(np.prod(shape[:-1])), batch).reshape(shape)
        done, now[0], _ = chunk(now[0], star, x, y, index.astype(np.int32))
        return int(done) * (chains or 1)

    return advance


def make_w3(core, batch, tile):
    """W3: `advance` does one step of one chain, `tile` examples at a time."""
    x, y = (jnp.asarray(v).reshape(-1, tile, v.shape[1]) for v in common.data())
    rng = np.random.default_rng(core)
    star = start(common.HIDDEN["W3"])
    scale = F4(common.MLP_ETA * 2 / common.CLASSES)

    @jax.jit
    def one(w, star, x, y, coef):
        zero = tuple(jnp.zeros_like(v) for v in w)

        def body(total, part):
            xb, yb, cb = part
            a = jnp.maximum(xb @ w[0], 0)
            e = (a @ w[1] + w[2] - yb) * cb
            da = jnp.where(a > 0, e @ w[1].mT, 0)
            grad = (xb.mT @ da, a.mT @ e, e.sum(axis=0, keepdims=True))
            return tuple(t + g for t, g in zip(total, grad)), None

        grad, _ = lax.scan(body, zero, (x, y, coef))
        w = tuple(v - g for v, g in zip(w, grad))
        return w, far(w, star)

    now = [star]

    def advance():
        coef = (common.weights(rng, batch) * scale).reshape(-1, tile, 1)
        now[0], left = one(now[0], star, x, y, coef)
        if left:
            raise SystemExit("left the ball")
        return 1

    return advance


def measure_mlp(args):
    """W2, W3, W4: one process with one thread on each core."""
    for batch in args.sizes:
        chains = args.threads
        if args.workload == "W3":
            make, made = make_w3, (batch, W3_TILE)
        elif args.workload == "W2":
            make, made = make_minibatch, ("W2", batch, None, 20)
        else:
            chains = common.W4_CHAINS
            make, made = make_minibatch, ("W4", batch, chains // args.threads, 8)
        rates = common.processes(make, made, args)
        common.report("jax", args.workload, batch, args.threads, chains, rates)


if __name__ == "__main__":
    args = common.arguments("jax")
    if args.workload == "W1":
        common.measure_w1("jax", args, make_w1)
    else:
        measure_mlp(args)
