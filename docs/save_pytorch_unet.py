"""Saves the weights of a PyTorch U-Net for a training here:

    python3 save_pytorch_unet.py weights.safetensors
    bazel run //experiments:train -- --init=weights.safetensors

Needs torch and safetensors. The modules are called as in nn/models, so every
tensor fits; train the net in between, or load your own state_dict.
"""

import sys
import torch
from safetensors.torch import save_file
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, below=None):
        super().__init__()
        self.up = nn.ConvTranspose2d(below, outputs, 2, stride=2) if below else None
        self.conv1, self.norm1 = nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(8, outputs)
        self.conv2, self.norm2 = nn.Conv2d(outputs, outputs, 3, padding=1), nn.GroupNorm(8, outputs)

    def forward(self, x, skip=None):
        x = torch.cat([skip, self.up(x)], 1) if self.up else x
        return self.norm2(self.conv2(self.norm1(self.conv1(x)).relu())).relu()


class UNet(nn.Module):
    def __init__(self, c=(3, 16, 32, 64, 128, 256), classes=2):
        super().__init__()
        self.enc1, self.enc2, self.enc3, self.enc4 = [Block(c[i], c[i + 1]) for i in range(4)]
        self.dec1, self.dec2, self.dec3, self.dec4 = [
            Block(2 * c[i], c[i], c[i + 1]) for i in range(1, 5)]
        self.bottleneck, self.out = Block(c[4], c[5]), nn.Conv2d(c[1], classes, 1)

    def forward(self, x, pool=lambda x: nn.functional.max_pool2d(x, 2)):
        e1 = self.enc1(x)
        e2 = self.enc2(pool(e1))
        e3 = self.enc3(pool(e2))
        e4 = self.enc4(pool(e3))
        x = self.dec4(self.bottleneck(pool(e4)), e4)
        return self.out(self.dec1(self.dec2(self.dec3(x, e3), e2), e1))


save_file(UNet().state_dict(), sys.argv[1])
