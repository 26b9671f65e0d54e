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
LANES = {1: 1024, 10: 1024, 100: 128, 1000: 32}
BLOCK = {1: 16, 10: 4, 100: 4, 1000: 1}  # steps
NARROW = 16  # lanes below which finished particles are no longer dropped
W3_TILE = 70  # examples; divides N; best of 35 ... 298


def make_w1(d, trials):
    """See `common.measure_w1`. JAX's default generator is also the fastest here."""
    a, s, h, barrier = (np.reshape(v, (-1, 1)) for v in common.quadratic(d))

    @jax.jit
    def chunk(key, theta, steps, alive, until):
        """Steps until no more than `until` particles are alive; theta is d x
        lanes. Normals are drawn for BLOCK[d] steps at once."""

        def one(carry, z):
            theta, steps, alive = carry
            theta = a * theta + s * z
            steps = steps + alive
            alive = alive & ((0.5 * h * theta * theta).sum(axis=0) < barrier[0])
            return (theta, steps, alive), None

        def body(carry):
            key, walk = carry
            key, now = jax.random.split(key)
            z = jax.random.normal(now, (BLOCK[d], *theta.shape), jnp.float32)
            return key, lax.scan(one, walk, z)[0]

        key, walk = lax.while_loop(
            lambda carry: carry[1][2].sum() > until, body, (key, (theta, steps, alive))
        )
        return key, *walk

    def fresh(seed, lanes):
        return jax.random.key(seed), jnp.zeros((d, lanes), jnp.float32)

    return trial_loop(chunk, fresh, LANES[d], trials)


def trial_loop(chunk, fresh, most, trials):
    """Compiled and warmed up: `run(seed)` of `common.measure_w1`, with up to
    `most` lanes. The jitted `chunk` runs until enough particles have left;
    the host then puts new trials in their places, and at the end halves the
    number of lanes. `fresh(seed, lanes)` gives the generator's state and
    theta; their arrays have the lanes as their last axis."""

    def run(seed, trials=trials):
        lanes = min(most, trials)
        (random, theta), started, total = fresh(seed, lanes), lanes, 0
        steps, alive = np.zeros(lanes, np.int32), np.ones(lanes, bool)
        while alive.any():
            if started < trials:
                until = lanes - max(1, lanes // 16)
            else:
                until = lanes // 2 if lanes > NARROW else 0
            random, theta, steps, alive = chunk(random, theta, steps, alive, until)
            steps, alive = np.array(steps), np.array(alive)
            gone = np.flatnonzero(~alive)
            total += int(steps[gone].sum())
            steps[gone] = 0
            new = gone[: trials - started]
            started += len(new)
            alive[new] = True
            fill = np.zeros(lanes, bool)
            fill[new] = True
            theta = jax.tree.map(lambda v: jnp.where(fill, 0, v), theta)
            if started == trials and NARROW < lanes and 2 * alive.sum() <= lanes:
                lanes //= 2
                keep = np.argsort(~alive, kind="stable")[:lanes]
                random, theta = jax.tree.map(
                    lambda v: v[..., keep] if v.ndim else v, (random, theta)
                )
                steps, alive = steps[keep], alive[keep]
        return total

    run(0, min(trials, most))  # compiles for every number of lanes
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
