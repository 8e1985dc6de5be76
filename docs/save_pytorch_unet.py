"""Saves the weights of a PyTorch U-Net for a training here:

    python3 save_pytorch_unet.py weights.safetensors
    bazel run //experiments:train -- --init=weights.safetensors

Needs torch and safetensors. The names of the modules are those of nn/models, so
every tensor fits; train the net in between, or load your own state_dict.
"""

import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, up_from=0):
        super().__init__()
        if up_from:
            self.up = nn.ConvTranspose2d(up_from, outputs, 2, stride=2)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm1 = nn.GroupNorm(8, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, outputs)

    def forward(self, x, skip=None):
        x = x if skip is None else torch.cat([skip, self.up(x)], 1)
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))


class UNet(nn.Module):
    def __init__(self, model_scale_factor=0.25, classes=2):
        super().__init__()
        c = [round(64 * model_scale_factor) << level for level in range(5)]
        self.enc1, self.enc2 = Block(3, c[0]), Block(c[0], c[1])
        self.enc3, self.enc4 = Block(c[1], c[2]), Block(c[2], c[3])
        self.bottleneck = Block(c[3], c[4])
        self.dec4, self.dec3 = Block(2 * c[3], c[3], c[4]), Block(2 * c[2], c[2], c[3])
        self.dec2, self.dec1 = Block(2 * c[1], c[1], c[2]), Block(2 * c[0], c[0], c[1])
        self.out = nn.Conv2d(c[0], classes, 1)

    def forward(self, x):
        skips = []
        for encoder in (self.enc1, self.enc2, self.enc3, self.enc4):
            skips.append(encoder(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.bottleneck(x)
        for decoder in (self.dec4, self.dec3, self.dec2, self.dec1):
            x = decoder(x, skips.pop())
        return self.out(x)


if __name__ == "__main__":
    save_file(UNet().state_dict(), sys.argv[1])
