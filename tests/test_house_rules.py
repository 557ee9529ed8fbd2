"""Rules of design.md that a reviewer would have to repeat, checked on the syntax tree (rule 11)."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.module_loading import import_string

ROOT = Path(__file__).resolve().parent.parent
APPS = ("accounts", "diagnosis", "reports", "finder", "smartderma")
SOURCES = [
    path
    for folder in (*APPS, "ml", "deploy")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
]
WEB_SOURCES = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in APPS]
DOORS = {
    "Case",
    "CaseImage",
    "Analysis",
    "PhotoFinding",
    "Prediction",
    "Report",
    "Review",
    "Lesion",
    "Upload",
    "IntakePhoto",
    "Message",
    "MessageAttachment",
}
HEAVY = {"torch", "torchvision", "timm", "onnxruntime", "onnx"}
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
LOG_KEYS = {
    "count",
    "analysis",
    "case",
    "report",
    "requeued",
    "failed",
    "resent",
    "provider",
    "status",
    "reason",
    "seconds",
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_entry(path: Path) -> bool:
    """Views, API and tasks: the code that an outsider's request reaches first."""
    return (
        path.stem.startswith("views")
        or path.stem in {"api", "tasks", "api_urls"}
        or path.parent.stem in {"views", "api"}
    )


ENTRIES = [path for path in WEB_SOURCES if is_entry(path)]


def test_there_are_files_to_check():
    assert {"diagnosis/tasks.py", "diagnosis/api/analyses.py", "diagnosis/views_patient.py"} <= {
        name_of(p) for p in ENTRIES
    }
    assert len(SOURCES) > 60


@pytest.mark.parametrize("path", ENTRIES, ids=name_of)
def test_rule_1_one_door(path):
    """Views, API and tasks reach rows only through access.py; `claim` and `none` hand out nothing unseen."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "objects":
            model = ast.unparse(node.value.value)
            assert model not in DOORS or node.attr in {"claim", "none"}, (
                f"{name_of(path)}:{node.lineno} {model}.objects"
            )
        if isinstance(node, ast.Name):
            assert node.id not in {"get_object_or_404", "get_list_or_404"}, f"{name_of(path)}:{node.lineno}"


@pytest.mark.parametrize("path", [p for p in WEB_SOURCES if is_entry(p) and p.stem != "tasks"], ids=name_of)
def test_rule_2_views_do_not_write(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in {"save", "bulk_create", "bulk_update"}, f"{name_of(path)}:{node.lineno}"


@pytest.mark.parametrize("path", [p for p in WEB_SOURCES if "services" in (p.stem, p.parent.stem)], ids=name_of)
def test_rule_2_services_are_keyword_only(path):
    for function in tree(path).body:
        if isinstance(function, ast.FunctionDef) and "_" in function.name and not function.name.startswith("_"):
            writes = "atomic" in ast.unparse(function) or "objects" in ast.unparse(function)
            if writes:
                assert not function.args.args, f"{name_of(path)}:{function.lineno} {function.name} takes positions"


def tasks() -> list[tuple[Path, ast.FunctionDef]]:
    found = []
    for path in WEB_SOURCES:
        for function in functions(path):
            if any("shared_task" in ast.unparse(decorator) for decorator in function.decorator_list):
                found.append((path, function))
    return found


@pytest.mark.parametrize(("path", "function"), tasks(), ids=lambda value: getattr(value, "name", ""))
def test_rule_4_tasks_are_thin_and_limited(path, function):
    decorator = next(d for d in function.decorator_list if "shared_task" in ast.unparse(d))
    assert isinstance(decorator, ast.Call), f"{function.name} needs time limits"
    assert {"soft_time_limit", "time_limit"} <= {keyword.arg for keyword in decorator.keywords}
    assert function.name.endswith("_task")
    assert path.name == "tasks.py"
    assert function.end_lineno - function.lineno <= 25, f"{function.name} is not thin"
    assert all(ast.unparse(arg.annotation) in {"str", "int"} for arg in function.args.args), "ids in, nothing else"


def test_rule_4_there_are_tasks():
    assert {function.name for _path, function in tasks()} >= {"run_analysis_task", "sweep_analyses_task"}


def test_rule_4_analyses_have_a_queue_of_their_own(settings):
    assert settings.CELERY_TASK_ROUTES["diagnosis.tasks.run_analysis_task"] == {"queue": settings.INFERENCE_QUEUE}
    assert settings.INFERENCE_QUEUE != settings.CELERY_TASK_DEFAULT_QUEUE


@pytest.mark.parametrize("path", [p for p in WEB_SOURCES if name_of(p) != "smartderma/celery.py"], ids=name_of)
def test_rule_4_tasks_are_sent_after_commit_only(path):
    """`RowTask.delay_on_commit` in smartderma/celery.py is the one place that sends."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in {"delay", "apply_async", "send_task"}, f"{name_of(path)}:{node.lineno}"


@pytest.mark.parametrize("name", ["storage.PrivateFileStorage", "storage_s3.PrivateS3Storage"])
def test_rule_8_private_files_have_no_address(name):
    storage = import_string(f"smartderma.{name}")
    instance = storage.__new__(storage)
    with pytest.raises(PermissionError, match="no public address"):
        instance.url("photos/x.jpg")


def test_rule_8_templates_ask_no_file_for_its_address():
    for path in sorted((ROOT / "templates").rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        for field in ("file.url", "heatmap.url", "photo.url", "image.url"):
            assert field not in text, f"{name_of(path)} shows {field}"


@pytest.mark.parametrize("path", WEB_SOURCES, ids=name_of)
def test_rule_8_logs_hold_ids_and_counts_only(path):
    """Structured logs take keywords from a short list; an e-mail, an answer or a position is not on it."""
    for node in ast.walk(tree(path)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in LOG_METHODS and ast.unparse(node.func.value) in {"log", "logger"}:
            where = f"{name_of(path)}:{node.lineno}"
            assert node.args, where
            assert isinstance(node.args[0], ast.Constant), f"{where}: the event is a constant"
            assert {k.arg for k in node.keywords if k.arg} <= LOG_KEYS, where


@pytest.mark.parametrize("path", [p for p in SOURCES if name_of(p).startswith("ml/")], ids=name_of)
def test_ml_does_not_know_django(path):
    assert not {name for name in imported(tree(path)) if name.split(".")[0] == "django"}


def imported(module: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_web_code_imports_no_network():
    """Importing every module of the web loads none of torch, timm, onnxruntime, ml.serving or ml.training."""
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in WEB_SOURCES]
    code = (
        "import importlib, sys, django; django.setup()\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"heavy = set({sorted(HEAVY)!r}) | {{'ml.serving.engine', 'ml.training'}}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_a_web_process_starts_without_what_few_requests_need():
    """Each of these is loaded where it is first used: together they would double the memory of a process."""
    later = {*HEAVY, "boto3", "cv2", "mediapipe", "pandas", "pyhanko", "pypdf", "scipy", "sklearn", "weasyprint"}
    code = (
        "import sys, django; django.setup()\n"
        "from django.urls import get_resolver; assert get_resolver().url_patterns\n"
        f"print(sorted(set({sorted(later)!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_rule_9_small_functions_and_files(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, f"{name_of(path)} is too long"
    for function in functions(path):
        length = function.end_lineno - function.lineno + 1
        assert length <= 40, f"{name_of(path)}:{function.lineno} {function.name} has {length} lines"


@pytest.mark.django_db
def test_rule_11_migrations_are_complete():
    from django.core.management import call_command

    said = io.StringIO()
    call_command("makemigrations", "--dry-run", stdout=said)
    assert said.getvalue().strip() == "No changes detected"
