"""The pinned experiments, as data: BASE, and what each changes of it."""

# Every field with its value. A default in C++ is never part of a pin.
BASE = {
    "arms": ["fp16", "nvfp4"],
    "batch": {
        "augment": True,
        "batch_size": 4,
        "crop": 128,
        "foreground_probability": 0.0,
        "horizontal_flip": True,
        "max_scale": 1.25,
        "mean": 0.5,
        "min_scale": 0.8,
        "stddev": 0.25,
        "vertical_flip": True,
    },
    "data": {
        "category": "",
        "class_names": [],
        "dataset": "nuclei",
        "ignore_index": 255,
        "mvtec_labels": "binary",
        "mvtec_subset": "test",
        "synthetic_count": 64,
        "synthetic_size": 128,
        "train_split": "",
        "val_split": "",
    },
    "net": {
        "architecture": "unet",
        "base_channels": 64,
        "model_scale_factor": 0.25,
        "norm_groups": 8,
    },
    "task": {
        "dice_weight": 1.0,
        "task": "semantic",
    },
    "train": {
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-8,
        "epochs": 0,
        "final_learning_rate_fraction": 0.01,
        "initial_loss_scale": 65536.0,
        "learning_rate": 0.001,
        "loss_scale_backoff_factor": 0.5,
        "loss_scale_growth_factor": 2.0,
        "loss_scale_growth_interval": 2000,
        "max_gradient_norm": 1.0,
        "seed": 42,
        "steps": 120,
        "validate_every": 40,
        "warmup_steps": 10,
        "weight_decay": 0.0,
    },
}

_SCALES = {
    "s0125": 0.125,
    "s025": 0.25,
    "s050": 0.5,
    "s100": 1.0,
}

_ARMS = {
    "nvfp4": ["fp16", "nvfp4"],
    "nvfp4_seed": ["fp16", "nvfp4_seed"],
}

_NUCLEI = {
    "fp16_vs_%s_%s" % (name, scale): {
        "arms": arms,
        "net.model_scale_factor": factor,
    }
    for name, arms in _ARMS.items()
    for scale, factor in _SCALES.items()
}

# Data sets that the user has: --data_root says where.
_OWN_DATA = {
    "coco_mini_fp16_vs_nvfp4_s025": {
        "data.dataset": "coco",
        "train": {
            "steps": 600,
            "validate_every": 300,
        },
    },
    "magnetic_tile_fp16_vs_nvfp4_s025": {
        # At 0.001 an fp32 net found no defect at all in 1200 steps.
        "batch.foreground_probability": 0.9,
        "data": {
            "category": "magnetic_tile",
            "dataset": "mvtec",
        },
        "train": {
            "learning_rate": 0.0003,
            "steps": 2400,
            "validate_every": 800,
        },
    },
    "mvtec_screw_fp16_vs_nvfp4_s025": {
        "batch.foreground_probability": 0.9,
        "data": {
            "category": "screw",
            "dataset": "mvtec",
        },
        "train": {
            "learning_rate": 0.0005,
            "steps": 1000,
            "validate_every": 500,
        },
    },
}

EXPERIMENTS = dict(_NUCLEI, **_OWN_DATA)

# Every policy for training, the first of them what the others are compared with.
_RECIPES = [
    "fp16",
    "nvfp4",
    "nvfp4_all",
    "nvfp4_no_rht",
    "nvfp4_no_sr",
    "nvfp4_1d_weights",
    "nvfp4_four_over_six",
    "nvfp4_forward",
    "nvfp4_forward_all",
    "nvfp4_seed",
    "mxfp4",
    "mxfp4_sr",
    "mxfp4_forward_all",
    "pow2_full",
    "bf16",
]

# Name -> arguments of study().
STUDIES = {
    # What of the loss comes from quantising the input image?
    "first_convolution_s025": {
        "arms": [
            "fp16",
            "nvfp4_forward_all",
            "nvfp4_forward_all:first=fp32",
            "mxfp4_forward_all",
            "mxfp4_forward_all:first=fp32",
            "nvfp4_seed",
            "nvfp4_seed:first=fp32",
        ],
        "seeds": [1, 2, 3, 4, 5],
    },
    # One scale for 16 elements or one for a tensor: which uses the codes of FP4,
    # and what is that worth? The first convolution, whose operand is the image,
    # is in BF16 in all arms in FP4.
    "code_usage_s025": {
        "arms": [
            "fp16",
            "nvfp4_forward",
            "nvfp4_seed:first=bf16",
            "per_tensor_forward",
        ],
        "seeds": [1, 2, 3, 4, 5],
    },
    # Which formats of the gradients need scaling, and which scaling is enough?
    # A power of two for each layer changes nothing where a recipe has a tensor
    # scale (NVFP4) or block scales that are powers of two (MXFP4).
    "grad_scaling_s025": {
        "arms": [
            "fp16",
            "fp16:loss_scaling=off",
            "nvfp4",
            "nvfp4_all:*/dgrad_dy=nvfp4+sr+scaled:*/wgrad_dy=nvfp4+sr+rht+scaled:first=bf16",
            "mxfp4_sr",
            "mxfp4_sr:*/dgrad_dy=mxfp4+sr+scaled:*/wgrad_dy=mxfp4+sr+scaled:first=bf16",
            "nvfp4_1level",
            "nvfp4_1level:loss_scaling=static",
            "nvfp4_1level:loss_scaling=dynamic",
            "nvfp4_1level_scaled",
        ],
        "seeds": [1, 2, 3, 4, 5],
    },
    # Does the first convolution stand FP4 if the images are normalised by the
    # moments of the data set (as //data:describe_dataset prints them), or each
    # by its own?
    "input_layer_s025": {
        "arms": ["fp16", "nvfp4_all", "nvfp4"],
        "conditions": {
            "constants": {"batch.mean": 0.5, "batch.stddev": 0.25},
            "dataset": {"batch.mean": 0.1761, "batch.stddev": 0.2671},
            "image": {"batch.normalization": "image"},
        },
        "seeds": [1, 2, 3, 4, 5],
    },
    # Scales that are learnt (LSQ for weights, PACT for activations) against
    # those from amax and powers of two.
    "scale_learning_s025": {
        "arms": [
            "fp16",
            "nvfp4_forward",
            "nvfp4_seed:first=bf16",
            "nvfp4_forward_all:*/fprop_w=nvfp4+lsq:first=bf16",
            "nvfp4_forward_all:*/fprop_x=nvfp4+pact:first=bf16",
            "nvfp4_forward_all:*/fprop_w=nvfp4+lsq:*/fprop_x=nvfp4+pact:first=bf16",
            "per_tensor_forward",
            "per_tensor_forward:*/fprop_w=fp4_per_tensor+lsq:*/fprop_x=fp4_per_tensor+pact:first=bf16",
        ],
        "seeds": [1, 2, 3, 4, 5],
    },
    # Does it matter that GroupNorm stays in full precision?
    "groupnorm_s025": {
        "arms": [
            "nvfp4",
            "nvfp4:*/x=fp16",
            "nvfp4:*/x=nvfp4",
            "nvfp4:*/x=mxfp4",
        ],
        "seeds": [1, 2, 3, 4, 5],
    },
    # Does the loss grow with the net's width, as arXiv:2605.27616 saw?
    "width_s0125_to_s100": {
        "arms": ["fp16", "nvfp4", "nvfp4_all"],
        "conditions": {
            scale: {"net.model_scale_factor": factor}
            for scale, factor in _SCALES.items()
        },
        "seeds": [1, 2, 3, 4, 5],
    },
    # What does each part of a recipe for training fully in FP4 cost or gain?
    "recipe_ablation_s025": {
        "arms": _RECIPES,
        "seeds": [1, 2, 3, 4, 5],
    },
    # The same on more and other images of nuclei, grey and coloured:
    # --data_root is a folder of the 2018 Data Science Bowl's.
    "dsb2018_recipes_s025": {
        "arms": _RECIPES,
        "overrides": {"data.dataset": "folder"},
        "seeds": [1, 2, 3, 4, 5],
    },
    # What FP4 costs where defects are small and faint, on data that the user
    # has.
    "magnetic_tile_s025": {
        "arms": ["fp16", "nvfp4", "nvfp4_all"],
        "overrides": _OWN_DATA["magnetic_tile_fp16_vs_nvfp4_s025"],
        "seeds": [1, 2, 3],
    },
    "mvtec_screw_s025": {
        "arms": ["fp16", "nvfp4", "nvfp4_all"],
        "overrides": _OWN_DATA["mvtec_screw_fp16_vs_nvfp4_s025"],
        "seeds": [1, 2, 3, 4, 5],
    },
}
