"""``python -m ml train`` and ``python -m ml export``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

RUNS = Path("var/runs")
CACHE = Path("var/cache")
PACK_SIDE = 224  # px; the largest training size


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add ``train`` and ``export``; each sets ``run(args) -> exit code``."""
    _register_train(subparsers)
    _register_export(subparsers)


def _register_train(subparsers: argparse._SubParsersAction) -> None:
    train = subparsers.add_parser(
        "train",
        help="train one network",
        description="Train one network. Settings come from a file in ml/configs, then from --set (FIELD=VALUE): "
        "balance=sqrt|oversample|undersample|weights|none, optimizer=adamw|adam, schedule=cosine|plateau|constant, lr, "
        "weight_decay, warmup, dropout, batch, epochs, size, patience, stop_on=macro_f1|val_loss, keep_every (epochs), "
        "precision=auto|bf16|fp32, workers (threads that prepare batches), board=off|scalars|full (TensorBoard). "
        "best.pt has the best macro-F1 on validation. A killed run goes on with --resume where its last epoch ended.",
    )
    train.add_argument("config", type=Path, help="TOML file with the fields of ml.training.train.TrainConfig")
    train.add_argument("--manifest", type=Path, required=True, help="CSV of labelled photos with a part column")
    train.add_argument(
        "--extra",
        type=Path,
        help="CSV of further photos; those with a label or an ISIC 2019 diagnosis stand in for their class and family "
        "of sources, the others are for the teacher; photos that look like validation or test are left out",
    )
    train.add_argument("--extra-source", default="", metavar="NAME", help="source of further photos that state none")
    train.add_argument("--out", type=Path, help="run folder (default: var/runs/<name of the config>)")
    train.add_argument("--init", help="none, pretrained, packaged, inherit[:FILE] or a weights file")
    train.add_argument("--pretrained", action="store_true", help="same as --init pretrained (needs a connection)")
    train.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="replace fields, e.g. epochs=3")
    train.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint")
    train.set_defaults(run=run_train)


def _register_export(subparsers: argparse._SubParsersAction) -> None:
    export = subparsers.add_parser(
        "export",
        help="make a release of trained runs",
        description="Choose view, temperature, weights and thresholds on validation photos, measure, and write ONNX "
        "graphs, fp16 weights and release.json; refuses when ONNX Runtime and PyTorch differ.",
    )
    export.add_argument("runs", nargs="+", type=Path, help="run folders, one for each member")
    export.add_argument("--manifest", type=Path, required=True)
    export.add_argument("--release", required=True, help="name of the release, e.g. r1")
    export.add_argument("--out", type=Path, help="folder (default: ml/releases/<name>)")
    export.add_argument("--search-views", action="store_true", help="also choose size and crop on validation (slower)")
    export.add_argument("--int8", nargs="*", default=[], metavar="RUN", help="runs to store in 8 bits: half the room")
    export.add_argument(
        "--floor",
        nargs="*",
        type=_floor,
        default=[],
        metavar="RUN=WEIGHT",
        help="least weights in steps of 0.05 (default 0.05), where held-out sources speak for a member",
    )
    export.add_argument("--studies", nargs="*", type=Path, default=[], help="JSON files that studies wrote (--json)")
    export.add_argument("--tried", type=Path, help="TOML of [[tried]] tables: what, result, kept; for the card")
    export.set_defaults(run=run_export)


def _floor(text: str) -> tuple[str, float]:
    run, _, weight = text.partition("=")
    try:
        return run, float(weight)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not RUN=WEIGHT, as in lite2=0.30.") from None


def run_train(args: argparse.Namespace) -> int:
    """Train; 1 and one sentence when the manifest, a setting or a file is wrong."""
    from ml.data.manifest import ManifestError, check_manifest, read_manifest
    from ml.training.further import read_further
    from ml.training.train import Trainer, select_photos

    try:
        config = read_config(args.config, _overrides(args))
        manifest = read_manifest(args.manifest)
        check_manifest(manifest, progress=_bar)
        packed, served = _pack(manifest), _pack(manifest, erase=False)
        extra = args.extra and read_further(args.extra, manifest, source=args.extra_source, progress=_bar)
        trainer = Trainer(
            config,
            list(manifest.classes),
            select_photos(manifest, packed, "train"),
            select_photos(manifest, served, "val"),
            select_photos(extra, _pack(extra), None) if extra else None,
        )
    except (ManifestError, ValueError, OSError) as error:  # OSError: no such config, or no weights to go on from
        sys.stderr.write(f"{error}\n")
        return 1
    best = trainer.fit(args.out or RUNS / args.config.stem, resume=args.resume)
    sys.stdout.write(f"{best}: macro F1 on validation {trainer.best:.3f}\n")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Assemble a release; 1 and one sentence when it would not be faithful."""
    from ml.data.manifest import ManifestError, read_manifest
    from ml.evaluation.card import write_card
    from ml.evaluation.studies import read_studies, read_tried
    from ml.training.assemble import assemble_release
    from ml.training.export import ExportError

    out = args.out or Path("ml/releases") / args.release
    try:
        manifest = read_manifest(args.manifest)
        notes = {"studies": read_studies(args.studies)} | ({"tried": read_tried(args.tried)} if args.tried else {})
        assemble_release(
            args.runs,
            manifest,
            _pack(manifest),
            _pack(manifest, erase=False),
            out,
            name=args.release,
            search_views=args.search_views,
            int8=args.int8,
            floors=dict(args.floor),
            notes=notes,
            say=_say,
        )
    except (ManifestError, ExportError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if args.out is None:
        write_card(out / "release.json", Path("docs/MODEL_CARD.md"))
    _say(f"{out}: written.")
    return 0


def read_config(file: Path, overrides: dict):
    """A TrainConfig from a TOML file. Raises ValueError for a field that does not exist."""
    import tomllib

    from ml.training.train import TrainConfig

    values = tomllib.loads(file.read_text()) | overrides
    unknown = sorted(set(values) - set(TrainConfig.__dataclass_fields__))
    if unknown:
        raise ValueError(f"{unknown[0]} is no setting of a training run.")
    return TrainConfig(**values)


def _overrides(args: argparse.Namespace) -> dict:
    init = "pretrained" if args.pretrained else args.init
    return parse_settings(args.set) | ({"init": init} if init else {})


def parse_settings(items: list[str]) -> dict:
    """FIELD=VALUE pairs as TOML values; what is no TOML value is text."""
    import tomllib

    pairs = [item.partition("=") for item in items]
    return {key: _parse(tomllib, value) for key, _, value in pairs}


def _parse(tomllib, value: str):
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _pack(manifest, *, erase: bool = True):
    from ml.data.pack import pack_manifest

    return pack_manifest(manifest, side=PACK_SIDE, cache=CACHE, erase=erase, progress=_bar)


def _bar(rows):
    from tqdm import tqdm

    return tqdm(rows, desc="photos", unit="photo")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
