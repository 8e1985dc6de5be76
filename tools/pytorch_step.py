#!/usr/bin/env python3
"""The training step of //train:step_benchmark in PyTorch eager, for comparison.

The same net, loss, optimiser and data: UNet of 64..1024 channels times
--model_scale_factor, cross entropy plus Dice, Adam. Needs PyTorch (2.11.0 for
the comparison in the README):

  python3 tools/pytorch_step.py --steps=30 --threads=2

bazel run //tools:compare_step runs both in turn.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


class ConvBlock(nn.Sequential):
    def __init__(self, inputs: int, outputs: int):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.GroupNorm(8, outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.GroupNorm(8, outputs),
            nn.ReLU(),
        )


class UNet(nn.Module):
    def __init__(self, factor: float, classes: int):
        super().__init__()
        c = [round((64 << level) * factor) for level in range(5)]
        self.encoders = nn.ModuleList(
            ConvBlock(3 if i == 0 else c[i - 1], c[i]) for i in range(4)
        )
        self.bottleneck = ConvBlock(c[3], c[4])
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(c[i + 1], c[i], 2, stride=2) for i in range(4)
        )
        self.decoders = nn.ModuleList(ConvBlock(2 * c[i], c[i]) for i in range(4))
        self.out = nn.Conv2d(c[0], classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for encoder in self.encoders:
            skips.append(encoder(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.bottleneck(x)
        for i in reversed(range(4)):
            x = self.decoders[i](torch.cat([skips[i], self.ups[i](x)], 1))
        return self.out(x)


def loss_function(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = logits.softmax(1)
    truth = F.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2).float()
    both = (p * truth).sum((0, 2, 3))
    either = p.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    dice = 1 - ((2 * both + 1) / (either + 1)).mean()
    return F.cross_entropy(logits, target) + dice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model_scale_factor", type=float, default=0.25)
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    net = UNet(args.model_scale_factor, 2)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    images = torch.randn(args.batch_size, 3, args.crop, args.crop)
    target = torch.randint(0, 2, (args.batch_size, args.crop, args.crop))
    seconds = []
    for _ in range(args.steps + 3):
        start = time.perf_counter()
        loss = loss_function(net(images), target)
        adam.zero_grad()
        loss.backward()
        adam.step()
        loss.item()
        seconds.append(time.perf_counter() - start)
    seconds = seconds[3:]  # Warm-up.
    print(
        f"PyTorch {torch.__version__}, {args.threads} threads: median "
        f"{1e3 * statistics.median(seconds):.1f} ms, fastest "
        f"{1e3 * min(seconds):.1f} ms a step"
    )


if __name__ == "__main__":
    main()
