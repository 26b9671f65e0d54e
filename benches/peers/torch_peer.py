"""The four workloads in PyTorch on the CPU, gradients by hand, buffers reused.
See README.md; rates as in common.py."""

import numpy as np
import torch

import common

CHECK = 64  # steps between looks at the recorded losses; the first exit is exact
LANES = {1: 10_000, 10: 2_500, 100: 512, 1000: 64}
TILE = 128  # examples; best of 25 ... 256


def make_w1(d, trials):
    """See `common.measure_w1`. Twice the loss of every particle at every step is
    kept; after CHECK steps each particle's first exit is looked up, and the
    particles that left are replaced by new trials, at the end dropped."""
    torch.set_num_threads(1)
    a, s, h, barrier = (torch.as_tensor(v) for v in common.quadratic(d))
    barrier = float(barrier)

    def run(seed, trials=trials):
        torch.manual_seed(seed)
        lanes = min(LANES[d], trials)
        theta, began = torch.zeros(lanes, d), torch.zeros(lanes, dtype=torch.long)
        started, total, step = lanes, 0, 0
        z, square, loss = theta.clone(), theta.clone(), torch.empty(CHECK, lanes)
        while len(theta):
            for k in range(CHECK):
                z.normal_()
                if d == 1:
                    theta.mul_(float(a)).add_(z, alpha=float(s))
                    torch.mul(theta[:, 0], theta[:, 0], out=loss[k])
                else:
                    theta.mul_(a).addcmul_(z, s)
                    torch.mul(theta, theta, out=square)
                    torch.mv(square, h, out=loss[k])
            left = loss >= 2 * barrier
            gone = left.any(dim=0).nonzero()[:, 0]
            if len(gone):
                first = left[:, gone].to(torch.uint8).argmax(dim=0)
                total += int((first + 1 + step - began[gone]).sum())
                new = min(len(gone), trials - started)
                started += new
                theta[gone[:new]] = 0
                began[gone[:new]] = step + CHECK
                if new < len(gone):
                    keep = torch.ones(len(theta), dtype=torch.bool)
                    keep[gone[new:]] = False
                    theta, began = theta[keep], began[keep]
                    z, square = theta.clone(), theta.clone()
                    loss = torch.empty(CHECK, len(theta))
            step += CHECK
        return total

    run(0, 10)
    return run


class Chains:
    """The weights of one chain, or of several in front, and their gradient.

    All in one flat buffer for each chain, so that update and distance are
    one call each; w1 (11 x hidden) and w2 (hidden + 1 x 12) are views, their
    last rows the biases."""

    def __init__(self, hidden, chains=None):
        w1, w2 = (torch.as_tensor(w) for w in common.start_weights(hidden, chains))
        self.front = w1.shape[:-2]
        self.cut = w1.shape[-2] * hidden
        self.flat = torch.cat([w.flatten(-2) for w in (w1, w2)], dim=-1)
        self.star = self.flat.clone()
        self.grad = torch.zeros_like(self.flat)
        self.away = torch.empty_like(self.flat)
        self.w1, self.w2 = self.views(self.flat, hidden)
        self.g1, self.g2 = self.views(self.grad, hidden)

    def views(self, flat, hidden):
        first = flat[..., : self.cut].view(*self.front, common.INPUTS + 1, hidden)
        return first, flat[..., self.cut :].view(*self.front, hidden + 1, common.CLASSES)

    def left(self):
        """Whether any chain is out of its ball; read at every step."""
        if not self.front:
            return float(torch.dist(self.flat, self.star)) >= common.RADIUS
        torch.sub(self.flat, self.star, out=self.away)
        norm = torch.linalg.vector_norm(self.away, dim=-1)
        return bool((norm >= common.RADIUS).any())


def make_w2(core, batch):
    """W2: `advance` does 20 steps of one chain on one core."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    hidden = common.HIDDEN["W2"]
    x, y = (torch.as_tensor(v) for v in common.data())
    rng = np.random.default_rng(core)
    net = Chains(hidden)
    w1, w2, b2 = net.w1, net.w2[:-1], net.w2[-1]
    rate = -common.MLP_ETA * 2 / (common.CLASSES * batch)
    xb, yb = torch.empty(batch, x.shape[1]), torch.empty(batch, y.shape[1])
    a, da = torch.empty(batch, hidden), torch.empty(batch, hidden)
    e = torch.empty(batch, common.CLASSES)

    def advance():
        for index in torch.as_tensor(common.draw(rng, 20, batch).astype(np.int64)):
            torch.index_select(x, 0, index, out=xb)
            torch.index_select(y, 0, index, out=yb)
            torch.mm(xb, w1, out=a).clamp_(min=0)
            torch.addmm(b2, a, w2, out=e).sub_(yb)
            torch.mm(e, w2.T, out=da)
            torch.ops.aten.threshold_backward.grad_input(da, a, 0, grad_input=da)
            w2.addmm_(a.T, e, alpha=rate)
            b2.add_(e.sum(dim=0), alpha=rate)
            w1.addmm_(xb.T, da, alpha=rate)
            if net.left():
                raise SystemExit("left the ball")
        return 20

    return advance


def make_tiled(core, workload, batch, tile):
    """W3, and W2 with a large batch: `advance` does one step of one chain on
    one core, a few examples at a time so that activations stay in cache."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    hidden = common.HIDDEN[workload]
    x, y = (torch.as_tensor(v) for v in common.data())
    rng = np.random.default_rng(core)
    net = Chains(hidden)
    w1, w2, b2, g1, g2, gb = net.w1, net.w2[:-1], net.w2[-1], net.g1, net.g2[:-1], net.g2[-1]
    full = [torch.empty(tile, n) for n in (hidden, hidden, common.CLASSES)]
    scale = np.float32(2 / common.CLASSES)
    equal = torch.full((batch, 1), float(scale) / batch)

    def advance():
        if workload == "W2":
            index = torch.as_tensor(common.draw(rng, 1, batch)[0].astype(np.int64))
            xs, ys, weight = x.index_select(0, index), y.index_select(0, index), equal
        else:
            xs, ys = x, y
            weight = torch.as_tensor(common.weights(rng, batch) * scale)[:, None]
        for start in range(0, len(xs), tile):
            keep = 1.0 if start else 0.0
            xt, yt = xs[start : start + tile], ys[start : start + tile]
            a, da, e = (buffer[: len(xt)] for buffer in full)
            torch.mm(xt, w1, out=a).clamp_(min=0)
            torch.addmm(b2, a, w2, out=e).sub_(yt).mul_(weight[start : start + tile])
            torch.mm(e, w2.T, out=da)
            torch.ops.aten.threshold_backward.grad_input(da, a, 0, grad_input=da)
            g2.addmm_(a.T, e, beta=keep)
            gb.mul_(keep).add_(e.sum(dim=0))
            g1.addmm_(xt.T, da, beta=keep)
        net.flat.add_(net.grad, alpha=-common.MLP_ETA)
        if net.left():
            raise SystemExit("left the ball")
        return 1

    return advance


def make_w4(core, batch, chains):
    """W4: `advance` does 8 steps of all `chains` chains on one core."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    hidden = common.HIDDEN["W4"]
    x, y = (torch.as_tensor(v) for v in common.data())
    rng = np.random.default_rng(core)
    net = Chains(hidden, chains)
    w1, w2, b2 = net.w1, net.w2[:, :-1], net.w2[:, -1:]
    rate = -common.MLP_ETA * 2 / (common.CLASSES * batch)
    xb, yb = torch.empty(chains * batch, x.shape[1]), torch.empty(chains * batch, y.shape[1])
    xc, yc = xb.view(chains, batch, -1), yb.view(chains, batch, -1)
    a, da = torch.empty(chains, batch, hidden), torch.empty(chains, batch, hidden)
    e = torch.empty(chains, batch, common.CLASSES)

    def advance():
        drawn = common.draw(rng, 8 * chains, batch).astype(np.int64)
        for index in torch.as_tensor(drawn).view(8, -1):
            torch.index_select(x, 0, index, out=xb)
            torch.index_select(y, 0, index, out=yb)
            torch.bmm(xc, w1, out=a).clamp_(min=0)
            torch.bmm(a, w2, out=e).add_(b2).sub_(yc)
            torch.bmm(e, w2.mT, out=da)
            torch.ops.aten.threshold_backward.grad_input(da, a, 0, grad_input=da)
            w2.baddbmm_(a.mT, e, alpha=rate)
            b2.add_(e.sum(dim=1, keepdim=True), alpha=rate)
            w1.baddbmm_(xc.mT, da, alpha=rate)
            if net.left():
                raise SystemExit("left the ball")
        return 8 * chains

    return advance


def measure_mlp(args):
    """W2, W3, W4: one process with one thread on each core."""
    for batch in args.sizes:
        chains = args.threads
        if args.workload == "W3" or (args.workload == "W2" and batch > 100):
            make, made = make_tiled, (args.workload, batch, TILE)
        elif args.workload == "W2":
            make, made = make_w2, (batch,)
        else:
            chains = common.W4_CHAINS
            make, made = make_w4, (batch, chains // args.threads)
        rates = common.processes(make, made, args)
        common.report("torch", args.workload, batch, args.threads, chains, rates)


if __name__ == "__main__":
    args = common.arguments("torch")
    if args.workload == "W1":
        common.measure_w1("torch", args, make_w1)
    else:
        measure_mlp(args)
