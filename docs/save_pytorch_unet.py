"""Saves the weights of a PyTorch U-Net for a training here:

    python3 save_pytorch_unet.py weights.safetensors
    bazel run //experiments:train -- --init=weights.safetensors

Needs torch and safetensors. The names of the modules are those of nn/models, so
every tensor fits; train the net in between, or load your own state_dict.
"""

import sys

import torch
from safetensors.torch import save_file
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, up_from=None):
        super().__init__()
        self.up = nn.ConvTranspose2d(up_from, outputs, 2, stride=2) if up_from else None
        self.conv1, self.norm1 = nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(8, outputs)
        self.conv2, self.norm2 = nn.Conv2d(outputs, outputs, 3, padding=1), nn.GroupNorm(8, outputs)

    def forward(self, x, skip=None):
        x = torch.cat([skip, self.up(x)], 1) if self.up else x
        return self.norm2(self.conv2(self.norm1(self.conv1(x)).relu())).relu()


class UNet(nn.Module):
    def __init__(self, model_scale_factor=0.25, classes=2):
        super().__init__()
        c = [3] + [round(64 * model_scale_factor) << level for level in range(5)]
        for i in range(1, 5):
            self.add_module(f"enc{i}", Block(c[i - 1], c[i]))
            self.add_module(f"dec{i}", Block(2 * c[i], c[i], up_from=c[i + 1]))
        self.bottleneck, self.out = Block(c[4], c[5]), nn.Conv2d(c[1], classes, 1)

    def forward(self, x):
        skips = []
        for i in range(1, 5):
            skips.append(self.get_submodule(f"enc{i}")(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        x = self.bottleneck(x)
        for i in range(4, 0, -1):
            x = self.get_submodule(f"dec{i}")(x, skips.pop())
        return self.out(x)


if __name__ == "__main__":
    save_file(UNet().state_dict(), sys.argv[1])
