"""Entry point of a training job that follows SageMaker's conventions; runs anywhere the same variables are set.

    SM_CHANNEL_TRAINING=DATA SM_MODEL_DIR=OUT python -m ml.training.sagemaker --config mobilenetv3 --epochs 5

DATA holds manifest.csv and the photos. Hyper-parameters are arguments, or SM_HPS (JSON): ``config`` names a file of
ml/configs, every other one is a setting of a run (`ml.training.train.TrainConfig`). OUT gets ``release/``. Checkpoints
go to SM_CHECKPOINT_DIR (default: /opt/ml/checkpoints where SageMaker mounts it, else OUT/checkpoints), and a job that
was interrupted (spot instances) goes on from there. Metrics are printed one a line as ``name=value;`` for a job's
metric definitions. Variables: https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml.data.manifest import ManifestError, check_manifest, read_manifest
from ml.data.pack import pack_manifest
from ml.training.assemble import assemble_release
from ml.training.cli import PACK_SIDE, parse_settings, read_config
from ml.training.train import TrainConfig, Trainer, select_photos

CONFIGS = Path(__file__).parents[1] / "configs"
MOUNTED = Path("/opt/ml/checkpoints")
SHOWN = ("loss", "val_loss", "accuracy", "balanced_accuracy", "macro_f1")


def build_parser(variables: Mapping[str, str]) -> argparse.ArgumentParser:
    """One argument for each hyper-parameter and folder; defaults come from SageMaker's variables."""
    parser = argparse.ArgumentParser(
        prog="python -m ml.training.sagemaker", description=(__doc__ or "").split("\n\n")[0]
    )
    given = json.loads(variables.get("SM_HPS") or "{}")
    parser.add_argument("--training", type=Path, default=variables.get("SM_CHANNEL_TRAINING"), help="folder with data")
    parser.add_argument("--model-dir", type=Path, default=variables.get("SM_MODEL_DIR"), help="where the release goes")
    parser.add_argument("--checkpoints", type=Path, default=variables.get("SM_CHECKPOINT_DIR"))
    parser.add_argument("--release", default=given.get("release", "sagemaker"), help="name of the release")
    parser.add_argument("--config", default=given.get("config", "paper"), help="file of ml/configs, without .toml")
    for field in TrainConfig.__dataclass_fields__:
        names = dict.fromkeys((f"--{field}", f"--{field.replace('_', '-')}"))
        parser.add_argument(*names, dest=f"set_{field}", default=given.get(field), help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None, variables: Mapping[str, str] = os.environ) -> int:
    """Check, train or resume, export; 1 and one sentence (also in SM_OUTPUT_DIR/failure) when it cannot."""
    args = build_parser(variables).parse_args(argv)
    try:
        if args.training is None or args.model_dir is None:
            raise ValueError("SM_CHANNEL_TRAINING and SM_MODEL_DIR must be set, or --training and --model-dir given.")
        run_job(args)
    except (ManifestError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        if variables.get("SM_OUTPUT_DIR"):
            Path(variables["SM_OUTPUT_DIR"], "failure").write_text(f"{error}\n")
        return 1
    return 0


def run_job(args: argparse.Namespace) -> None:
    """Train on the channel's manifest and write a release. Raises ManifestError or ValueError."""
    config = read_config(CONFIGS / f"{args.config}.toml", _settings(args))
    checkpoints = args.checkpoints or (MOUNTED if MOUNTED.is_dir() else args.model_dir / "checkpoints")
    manifest = read_manifest(args.training / "manifest.csv")
    check_manifest(manifest)
    packs = {
        erase: pack_manifest(manifest, side=PACK_SIDE, cache=checkpoints / "cache", erase=erase)
        for erase in (True, False)
    }
    train, val = select_photos(manifest, packs[True], "train"), select_photos(manifest, packs[False], "val")
    trainer = Trainer(config, list(manifest.classes), train, val)
    best = trainer.fit(checkpoints / "run", resume=True)
    for record in trainer.history:
        sys.stdout.write(" ".join(f"{name}={record[name]:.4f};" for name in SHOWN) + "\n")
    out = args.model_dir / "release"
    assemble_release([best.parent], manifest, packs[True], packs[False], out, name=args.release)


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    given = {name.removeprefix("set_"): value for name, value in vars(args).items() if name.startswith("set_")}
    return parse_settings([f"{name}={value}" for name, value in given.items() if value is not None])


if __name__ == "__main__":
    sys.exit(main())
