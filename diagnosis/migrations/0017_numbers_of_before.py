"""What the numbers count by, for analyses and reads of before."""

from django.db import migrations
from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    Analysis, Prediction, Read = (apps.get_model("diagnosis", name) for name in ("Analysis", "Prediction", "Read"))
    likeliest = Prediction.objects.filter(analysis=OuterRef("pk")).order_by("-probability", "pk").values("condition")
    done = Analysis.objects.filter(status="done", top_condition="")
    done.update(top_condition=Coalesce(Subquery(likeliest[:1]), Value("")))
    known = Read.objects.filter(analysis__outcome="assessed", analysis__predictions__condition=F("diagnosis"))
    for pk, analysis, condition in known.values_list("pk", "analysis", "diagnosis").iterator():
        listed = Prediction.objects.filter(analysis=analysis).order_by("-probability", "pk")
        rank = list(listed.values_list("condition", flat=True)).index(condition) + 1
        Read.objects.filter(pk=pk).update(model_rank=rank)


class Migration(migrations.Migration):
    dependencies = [("diagnosis", "0016_numbers")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
