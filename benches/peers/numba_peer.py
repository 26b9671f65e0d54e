"""The four workloads in Numba. See README.md; rates as in common.py."""

import numpy as np
from numba import float32, njit, uint64

import common

@njit(fastmath=True)
def w1_line(a, s, h, barrier, trials, rng):
    """W1 with d = 1: all trials, one after the other. Returns the sum of the
    exit steps."""
    total = 0
    limit = float32(2) * barrier / h
    for _ in range(trials):
        theta = float32(0)
        while theta * theta < limit:
            theta = a * theta + s * float32(rng.standard_normal())
            total += 1
    return total


@njit(fastmath=True)
def w1(a, s, h, barrier, trials, rng):
    """The same in d > 1. The normals of a step are drawn first, so that LLVM
    makes the update vector code."""
    d = len(a)
    z = np.empty(d, np.float32)
    theta = np.empty(d, np.float32)
    total = 0
    for _ in range(trials):
        theta[:] = float32(0)
        loss = float32(0)
        while loss < barrier:
            for k in range(d):
                z[k] = rng.standard_normal()
            loss = float32(0)
            for k in range(d):
                t = a[k] * theta[k] + s[k] * z[k]
                theta[k] = t
                loss += float32(0.5) * h[k] * t * t
            total += 1
    return total


def make_w1(d, trials):
    """See `common.measure_w1`. NumPy's generator for speed, its ziggurat as
    Numba compiles it."""
    a, s, h, barrier = common.quadratic(d)

    def run(seed, trials=trials):
        rng = np.random.Generator(np.random.SFC64(seed))
        if d == 1:
            return w1_line(a[0], s[0], h[0], barrier, trials, rng)
        return w1(a, s, h, barrier, trials, rng)

    run(0, 1)
    return run


def make_block(hidden, tile, most):
    """Compile the pass over up to `most` examples of an MLP with `hidden`
    units, done `tile` units at a time so that the weights stay in L1."""
    inputs, classes = common.INPUTS, common.CLASSES

    @njit(fastmath=True, nogil=True)
    def block(w1, w2, b2, g1, g2, gb, x, y, rows, coef, h, dh, err):
        """Add to g1, g2, gb the sum over examples `rows` of coef times the
        gradient of half the squared error. They may be w1, w2, b2
        themselves. Shapes: w1 (11, hidden), w2 (12, hidden), b2 (12)."""
        n = len(rows)
        for b in range(n):
            for c in range(classes):
                err[b, c] = b2[c] - y[rows[b], c]
        for j0 in range(0, hidden, tile):
            for b in range(n):
                r = rows[b]
                x0, x1, x2, x3, x4 = x[r, 0], x[r, 1], x[r, 2], x[r, 3], x[r, 4]
                x5, x6, x7, x8, x9 = x[r, 5], x[r, 6], x[r, 7], x[r, 8], x[r, 9]
                o0 = o1 = o2 = o3 = o4 = o5 = float32(0)
                o6 = o7 = o8 = o9 = o10 = o11 = float32(0)
                for j in range(j0, j0 + tile):
                    z = w1[10, j] + x0 * w1[0, j] + x1 * w1[1, j] + x2 * w1[2, j]
                    z += x3 * w1[3, j] + x4 * w1[4, j] + x5 * w1[5, j]
                    z += x6 * w1[6, j] + x7 * w1[7, j] + x8 * w1[8, j] + x9 * w1[9, j]
                    z = max(z, float32(0))
                    h[b, j] = z
                    o0 += z * w2[0, j]
                    o1 += z * w2[1, j]
                    o2 += z * w2[2, j]
                    o3 += z * w2[3, j]
                    o4 += z * w2[4, j]
                    o5 += z * w2[5, j]
                    o6 += z * w2[6, j]
                    o7 += z * w2[7, j]
                    o8 += z * w2[8, j]
                    o9 += z * w2[9, j]
                    o10 += z * w2[10, j]
                    o11 += z * w2[11, j]
                err[b, 0] += o0
                err[b, 1] += o1
                err[b, 2] += o2
                err[b, 3] += o3
                err[b, 4] += o4
                err[b, 5] += o5
                err[b, 6] += o6
                err[b, 7] += o7
                err[b, 8] += o8
                err[b, 9] += o9
                err[b, 10] += o10
                err[b, 11] += o11
        for b in range(n):
            for c in range(classes):
                err[b, c] *= coef[b]
        for j0 in range(0, hidden, tile):
            for b in range(n):
                e0, e1, e2, e3 = err[b, 0], err[b, 1], err[b, 2], err[b, 3]
                e4, e5, e6, e7 = err[b, 4], err[b, 5], err[b, 6], err[b, 7]
                e8, e9, e10, e11 = err[b, 8], err[b, 9], err[b, 10], err[b, 11]
                for j in range(tile):
                    i = j0 + j
                    z = e0 * w2[0, i] + e1 * w2[1, i] + e2 * w2[2, i] + e3 * w2[3, i]
                    z += e4 * w2[4, i] + e5 * w2[5, i] + e6 * w2[6, i] + e7 * w2[7, i]
                    z += e8 * w2[8, i] + e9 * w2[9, i] + e10 * w2[10, i] + e11 * w2[11, i]
                    dh[b, j] = z if h[b, i] > float32(0) else float32(0)
            b = 0
            while b + 5 <= n:  # five examples for each load and store of a gradient
                for c in range(classes):
                    e0, e1, e2 = err[b, c], err[b + 1, c], err[b + 2, c]
                    e3, e4 = err[b + 3, c], err[b + 4, c]
                    for j in range(j0, j0 + tile):
                        g2[c, j] += (e0 * h[b, j] + e1 * h[b + 1, j] + e2 * h[b + 2, j]
                                     + e3 * h[b + 3, j] + e4 * h[b + 4, j])
                for i in range(inputs + 1):
                    x0, x1, x2 = x[rows[b], i], x[rows[b + 1], i], x[rows[b + 2], i]
                    x3, x4 = x[rows[b + 3], i], x[rows[b + 4], i]
                    for j in range(tile):
                        g1[i, j0 + j] += (x0 * dh[b, j] + x1 * dh[b + 1, j]
                                          + x2 * dh[b + 2, j] + x3 * dh[b + 3, j]
                                          + x4 * dh[b + 4, j])
                b += 5
            while b < n:
                for c in range(classes):
                    e0 = err[b, c]
                    for j in range(j0, j0 + tile):
                        g2[c, j] += e0 * h[b, j]
                for i in range(inputs + 1):
                    x0 = x[rows[b], i]
                    for j in range(tile):
                        g1[i, j0 + j] += x0 * dh[b, j]
                b += 1
        for b in range(n):
            for c in range(classes):
                gb[c] += err[b, c]

    def scratch():
        f4 = np.float32
        return (np.empty((most, hidden), f4), np.empty((most, tile), f4),
                np.empty((most, classes), f4))

    return block, scratch


@njit(nogil=True)
def draw(perm, rows, random):
    """The first steps of a shuffle of `perm`, which stays a permutation of
    all examples: len(rows) of them without replacement."""
    n = uint64(len(perm))
    for i in range(len(rows)):
        random[0] += uint64(0x9E3779B97F4A7C15)  # splitmix64
        v = random[0]
        v = (v ^ (v >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
        v = (v ^ (v >> uint64(27))) * uint64(0x94D049BB133111EB)
        j = i + int(((v >> uint64(32)) * (n - uint64(i))) >> uint64(32))
        rows[i], perm[i], perm[j] = perm[j], perm[j], perm[i]


@njit(fastmath=True, nogil=True)
def distance2(w1, w2, b2, s1, s2, sb):
    """Squared distance of the weights (w1, w2, b2) from (s1, s2, sb)."""
    total = float32(0)
    for i in range(w1.shape[0]):
        for j in range(w1.shape[1]):
            total += (w1[i, j] - s1[i, j]) ** 2
    for i in range(w2.shape[0]):
        for j in range(w2.shape[1]):
            total += (w2[i, j] - s2[i, j]) ** 2
    for i in range(len(b2)):
        total += (b2[i] - sb[i]) ** 2
    return total


def transposed(w1, w2):
    """Weights as `block` wants them: the second layer transposed, its bias apart."""
    flat = np.ascontiguousarray
    return flat(w1), flat(np.swapaxes(w2[..., :-1, :], -1, -2)), flat(w2[..., -1, :])


def padded(w1, w2, b2, hidden):
    """The same network with `hidden` units, the new ones dead (all zeros)."""
    more = [(0, 0)] * (w1.ndim - 1) + [(0, hidden - w1.shape[-1])]
    return np.pad(w1, more), np.pad(w2, more), b2


def make_minibatch(core, workload, batch, chains, steps, hidden, tile):
    """W2 and W4: `chains` chains on one core, `steps` steps of each in turn."""
    block, scratch = make_block(hidden, tile, batch)
    radius2 = float32(common.RADIUS) ** 2
    x, y = common.data()
    w = padded(*transposed(*common.start_weights(common.HIDDEN[workload], chains)), hidden)
    star = tuple(a.copy() for a in w)
    perm = np.tile(np.arange(common.EXAMPLES, dtype=np.uint16), (chains, 1))
    random = np.random.default_rng(core).integers(0, 2**63, (chains, 1)).astype(np.uint64)
    coef = np.full(batch, -common.MLP_ETA * 2 / (common.CLASSES * batch), np.float32)

    @njit(nogil=True)
    def advance(w1, w2, b2, s1, s2, sb, x, y, perm, random, coef, h, dh, err, rows):
        done = 0
        for c in range(len(w1)):
            for _ in range(steps):
                draw(perm[c], rows, random[c])
                block(w1[c], w2[c], b2[c], w1[c], w2[c], b2[c], x, y, rows, coef, h, dh, err)
                done += 1
                if distance2(w1[c], w2[c], b2[c], s1[c], s2[c], sb[c]) >= radius2:
                    break
        return done

    fixed = (*w, *star, x, y, perm, random, coef, *scratch(), np.empty(batch, np.int64))
    advance(*fixed)
    return lambda: advance(*fixed)


def make_blocked(core, workload, batch, block_size, tile):
    """W3, and W2 with a large batch: one chain on one core, its batch in
    blocks of examples that add up their gradients."""
    hidden = common.HIDDEN[workload]
    block, scratch = make_block(hidden, tile, block_size)
    radius2 = float32(common.RADIUS) ** 2
    x, y = common.data()
    w = transposed(*common.start_weights(hidden))
    star = tuple(a.copy() for a in w)
    grad = tuple(np.zeros_like(a) for a in w)
    rng = np.random.default_rng(core)

    @njit(fastmath=True, nogil=True)
    def step(w1, w2, b2, s1, s2, sb, g1, g2, gb, x, y, h, dh, err, rows, coef):
        for start in range(0, len(rows), block_size):
            part = rows[start : start + block_size]
            block(w1, w2, b2, g1, g2, gb, x, y, part, coef[start:], h, dh, err)
        for i in range(len(w1)):
            w1[i] += g1[i]
            g1[i] = float32(0)
        for i in range(len(w2)):
            w2[i] += g2[i]
            g2[i] = float32(0)
        b2 += gb
        gb[:] = float32(0)
        return distance2(w1, w2, b2, s1, s2, sb) >= radius2

    fixed = (*w, *star, *grad, x, y, *scratch())
    scale = np.float32(-common.MLP_ETA * 2 / common.CLASSES)
    perm = np.arange(common.EXAMPLES, dtype=np.uint16)
    random = rng.integers(0, 2**63, 1).astype(np.uint64)
    if workload == "W2":
        rows = np.empty(batch, np.int64)
        equal = np.full(batch, scale / np.float32(batch), np.float32)
    else:
        rows = np.arange(common.EXAMPLES)

    def advance():
        if workload == "W2":
            draw(perm, rows, random)
            coef = equal
        else:
            coef = common.weights(rng, batch) * scale
        if step(*fixed, rows, coef):
            raise SystemExit("left the ball")
        return 1

    advance()
    return advance


def measure_mlp(args):
    """W2, W3, W4: one process with one thread on each core."""
    for batch in args.sizes:
        chains = args.threads
        if args.workload == "W3" or (args.workload == "W2" and batch > 100):
            make, made = make_blocked, (args.workload, batch, *BLOCK)
        elif args.workload == "W2":
            make, made = make_minibatch, ("W2", batch, 1, 10, 5000, W2_TILE)
        else:
            chains = common.W4_CHAINS
            each = chains // args.threads
            hidden = W4_HIDDEN.get(batch, 64)
            make, made = make_minibatch, ("W4", batch, each, 100, hidden, hidden)
        rates = common.processes(make, made, args)
        common.report("numba", args.workload, batch, args.threads, chains, rates)


W2_TILE = 500  # best of 125 ... 1000
BLOCK = (50, 500)  # examples, hidden units; best of (25, 50, 100) x (250, 500)
W4_HIDDEN = {1: 64, 10: 56, 100: 56}  # 50 and some dead ones, for whole vectors

if __name__ == "__main__":
    args = common.arguments("numba")
    if args.workload == "W1":
        common.measure_w1("numba", args, make_w1)
    else:
        measure_mlp(args)
