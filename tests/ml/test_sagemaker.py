"""The job in a container's terms, and the notebook that shows it, executed."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ml.training.sagemaker import build_parser, main

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs/notebooks/train.ipynb"


def test_hyper_parameters_come_as_arguments_and_as_a_variable() -> None:
    variables = {"SM_HPS": '{"epochs": 7, "lr": 0.01, "config": "tiny"}', "SM_CHANNEL_TRAINING": "/data"}
    args = build_parser(variables).parse_args(["--lr", "0.5", "--weight-decay", "0.1"])
    assert (args.config, args.set_epochs, args.set_lr, args.set_weight_decay) == ("tiny", 7, "0.5", "0.1")
    assert args.training == Path("/data")


def test_a_job_that_cannot_run_says_why_where_sagemaker_looks(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    variables = {"SM_OUTPUT_DIR": str(tmp_path), "SM_MODEL_DIR": str(tmp_path), "SM_CHANNEL_TRAINING": str(tmp_path)}
    assert main(["--config", "tiny"], variables) == 1
    assert "There is no manifest" in (tmp_path / "failure").read_text()
    assert main([], {}) == 1
    assert "SM_CHANNEL_TRAINING" in capsys.readouterr().err


def test_the_notebook_holds_no_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.filterwarnings("default")  # Jupyter's own libraries warn
def test_the_notebook_runs_from_data_to_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in [name for name in os.environ if name.startswith("SM_")]:
        monkeypatch.delenv(name)
    notebook = nbformat.read(NOTEBOOK, 4)
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert not [output for output in shown if any(kind.startswith("image/") for kind in output["data"])]
    texts = [output["data"]["text/plain"] for output in shown]
    assert texts[0] == "60"
    assert "balanced_accuracy" in texts[1]
    assert "melanoma" in texts[2]
    printed = "".join(o["text"] for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stdout")
    assert printed.count("macro_f1=") == 2  # one line for each epoch
