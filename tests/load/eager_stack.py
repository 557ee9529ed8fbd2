"""The stack of the paper, written down again as the yardstick: FastAPI, three eager fp32 networks, one photo a request.

    python -m tests.load.eager_stack PORT

MobileNetV3-Large, DenseNet121 and EfficientNet-B3 with random weights (speed does not depend on them), 13 classes,
224 px, softmax, weighted sum. `POST /predict` takes a multipart field `file`. It stores nothing and checks nothing.
"""

from __future__ import annotations

import io
import sys

import timm
import torch
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image
from torchvision import transforms

WEIGHTS = {"mobilenetv3_large_100": 0.4, "densenet121": 0.3, "efficientnet_b3": 0.3}
CLASSES = 13
PREPARE = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


def load_networks() -> list[tuple[torch.nn.Module, float]]:
    """(network, weight in the vote) of each member."""
    return [(timm.create_model(name, num_classes=CLASSES).eval(), weight) for name, weight in WEIGHTS.items()]


@torch.no_grad()
def predict(networks: list[tuple[torch.nn.Module, float]], photo: bytes) -> list[float]:
    """Probabilities of the 13 classes for the bytes of one photo."""
    batch = PREPARE(Image.open(io.BytesIO(photo)).convert("RGB")).unsqueeze(0)
    votes = [weight * network(batch).softmax(1) for network, weight in networks]
    return torch.stack(votes).sum(0)[0].tolist()


def application() -> FastAPI:
    app, networks = FastAPI(), load_networks()

    @app.post("/predict")
    def answer(file: UploadFile) -> dict[str, list[float]]:
        return {"probabilities": predict(networks, file.file.read())}

    return app


if __name__ == "__main__":
    uvicorn.run(application(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
