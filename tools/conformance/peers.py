"""The libraries' own quantisers, each called as its documentation says.

A peer takes a float32 array [rows, columns] and gives the de-quantised values
and, where the library shows them, codes (one a byte) and the bytes of the block
scales. Everything runs on the CPU.
"""

from typing import Callable, NamedTuple, Optional

import ml_dtypes
import numpy as np
import torch


class Result(NamedTuple):
    values: np.ndarray
    codes: Optional[np.ndarray] = None
    scales: Optional[np.ndarray] = None


class Peer(NamedTuple):
    library: str
    call: str
    # Of `fp4 quantize`: expected to have the same bits.
    recipe: str
    run: Callable[[np.ndarray], Result]


def unpack(packed: np.ndarray) -> np.ndarray:
    """Two codes a byte, even index in the low nibble."""
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(
        *packed.shape[:-1], -1
    )


def _view(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.uint8)


def _bytes(tensor: torch.Tensor) -> np.ndarray:
    return _view(tensor).numpy()


def _torchao_nvfp4(x: np.ndarray) -> Result:
    from torchao.prototype.mx_formats import nvfp4_tensor as ao

    t = torch.from_numpy(x)
    scale = ao.per_tensor_amax_to_scale(t.abs().max())
    q = ao.NVFP4Tensor.to_nvfp4(t, per_tensor_scale=scale)
    return Result(
        q.dequantize(torch.float32).numpy(),
        unpack(_bytes(q.qdata)),
        _bytes(q.scale).reshape(x.shape[0], -1),
    )


def _torchao_mx(mode: str) -> Callable[[np.ndarray], Result]:
    def run(x: np.ndarray) -> Result:
        from torchao.prototype.mx_formats.config import ScaleCalculationMode
        from torchao.prototype.mx_formats.mx_tensor import MXTensor

        q = MXTensor.to_mx(
            torch.from_numpy(x),
            torch.float4_e2m1fn_x2,
            32,
            getattr(ScaleCalculationMode, mode),
        )
        return Result(
            q.dequantize(torch.float32).numpy(),
            unpack(_bytes(q.qdata)),
            _bytes(q.scale).reshape(x.shape[0], -1),
        )

    return run


def _modelopt_nvfp4(x: np.ndarray) -> Result:
    from modelopt.torch.quantization.qtensor import NVFP4QTensor

    q, scale, scale_2 = NVFP4QTensor.quantize(torch.from_numpy(x), 16)
    values = q.dequantize(
        dtype=torch.float32,
        scale=scale,
        double_scale=scale_2,
        block_sizes={-1: 16},
    )
    return Result(
        values.numpy(),
        unpack(_bytes(q._quantized_data)),
        _bytes(scale).reshape(x.shape[0], -1),
    )


def _modelopt_mxfp4(x: np.ndarray) -> Result:
    from modelopt.torch.quantization.qtensor import MXFP4QTensor

    q, scale = MXFP4QTensor.quantize(torch.from_numpy(x), 32)
    values = q.dequantize(
        dtype=torch.float32, scale=scale, block_sizes={-1: 32}
    )
    return Result(
        values.numpy().reshape(x.shape),
        unpack(_bytes(q._quantized_data)).reshape(x.shape),
        _bytes(scale).reshape(x.shape[0], -1),
    )


def _compressed_tensors(scheme: str, block: int) -> Callable[[np.ndarray], Result]:
    def run(x: np.ndarray) -> Result:
        from compressed_tensors.quantization import quant_scheme
        from compressed_tensors.quantization.lifecycle.forward import fake_quantize
        from compressed_tensors.quantization.utils import (
            calculate_qparams,
            generate_gparam,
        )

        t = torch.from_numpy(x)
        args = quant_scheme.preset_name_to_scheme(scheme, ["Linear"]).weights
        blocks = t.reshape(x.shape[0], -1, block)
        low, high = blocks.amin(-1), blocks.amax(-1)
        g = None
        if scheme == "NVFP4":
            g = generate_gparam(t.min().reshape(1), t.max().reshape(1))
        scale, zero = calculate_qparams(low, high, args, global_scale=g)
        values = fake_quantize(t, scale, zero, args, global_scale=g)
        # Floats that are exact in E4M3: the values that a file would hold.
        scales = None
        if scheme == "NVFP4":
            scales = _bytes(scale.to(torch.float8_e4m3fn)).reshape(x.shape[0], -1)
        return Result(values.numpy(), None, scales)

    return run


def _fouroversix(rule: str, dtype: str) -> Callable[[np.ndarray], Result]:
    def run(x: np.ndarray) -> Result:
        import fouroversix as fos
        from fouroversix.quantize import from_blocked

        config = fos.QuantizationConfig(
            backend="pytorch", scale_rule=rule, dtype=dtype
        )
        q = fos.quantize_to_fp4(torch.from_numpy(x).bfloat16(), config)
        values = fos.dequantize(
            q,
            dtype=torch.float32,
            backend=fos.QuantizeBackend.pytorch,
            # Its default, float16, cannot hold every product.
            intermediate_dtype=torch.float32,
        )
        blocks = x.shape[1] // (16 if dtype == "nvfp4" else 32)
        scales = from_blocked(_view(q.scale_factors), (x.shape[0], blocks))
        return Result(values.numpy(), unpack(_bytes(q.values)), scales.numpy())

    return run


def _ml_dtypes_pow2(x: np.ndarray) -> Result:
    """The element cast and the E8M0 decoding; the scale is exponent arithmetic."""
    blocks = x.reshape(x.shape[0], -1, 16)
    amax = np.abs(blocks).max(-1, keepdims=True)
    mantissa, exponent = np.frexp(amax / np.float32(6))
    exponent = np.where(mantissa == 0.5, exponent - 1, exponent)
    exponent = np.where(amax == 0, -127, np.clip(exponent, -127, 127))
    scales = (exponent + 127).astype(np.uint8)
    decoded = scales.view(ml_dtypes.float8_e8m0fnu).astype(np.float32)
    q = np.ldexp(blocks, -exponent).astype(np.float32)
    codes = q.astype(ml_dtypes.float4_e2m1fn)
    values = codes.astype(np.float32) * decoded
    return Result(
        values.reshape(x.shape),
        codes.view(np.uint8).reshape(x.shape) & 15,
        scales.reshape(x.shape[0], -1),
    )


PEERS = [
    Peer("torchao", "NVFP4Tensor.to_nvfp4", "nvfp4_torchao", _torchao_nvfp4),
    *(
        Peer("torchao", f"MXTensor.to_mx {m}", f"mxfp4_{m.lower()}", _torchao_mx(m))
        for m in ("FLOOR", "CEIL", "RCEIL", "EVEN")
    ),
    Peer("modelopt", "NVFP4QTensor.quantize", "nvfp4_modelopt", _modelopt_nvfp4),
    Peer(
        "modelopt", "MXFP4QTensor.quantize", "mxfp4+ties_to_zero", _modelopt_mxfp4
    ),
    Peer(
        "compressed-tensors",
        "fake_quantize NVFP4",
        "nvfp4_compressed_tensors",
        _compressed_tensors("NVFP4", 16),
    ),
    Peer(
        "compressed-tensors",
        "fake_quantize MXFP4",
        "mxfp4_even",
        _compressed_tensors("MXFP4", 32),
    ),
    Peer("fouroversix", "static_6", "nvfp4", _fouroversix("static_6", "nvfp4")),
    Peer(
        "fouroversix", "static_4", "nvfp4_static4", _fouroversix("static_4", "nvfp4")
    ),
    Peer("fouroversix", "mse", "nvfp4_four_over_six", _fouroversix("mse", "nvfp4")),
    Peer(
        "fouroversix", "mae", "nvfp4_four_over_six_mae", _fouroversix("mae", "nvfp4")
    ),
    Peer(
        "fouroversix",
        "abs_max",
        "nvfp4_four_over_six_absmax",
        _fouroversix("abs_max", "nvfp4"),
    ),
    Peer("fouroversix", "mxfp4", "mxfp4", _fouroversix("static_6", "mxfp4")),
    Peer("ml_dtypes", "float4_e2m1fn cast", "pow2_1x16", _ml_dtypes_pow2),
]
