"""The four workloads in Numba. See README.md; rates as in common.py."""

import numpy as np
from numba import float32, int32, njit, uint32, uint64

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
