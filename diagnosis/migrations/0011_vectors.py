"""A table of vectors where PostgreSQL offers pgvector and lets us create the extension; elsewhere nothing happens."""

import array

import pgvector.django
from django.db import DatabaseError, migrations, models, transaction

TABLE = """
CREATE TABLE diagnosis_vector (analysis_id uuid PRIMARY KEY, embedding vector NOT NULL);
CREATE FUNCTION diagnosis_vector_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN DELETE FROM diagnosis_vector WHERE analysis_id = OLD.id; RETURN OLD; END $$;
CREATE TRIGGER diagnosis_vector_forget AFTER DELETE ON diagnosis_analysis
FOR EACH ROW EXECUTE FUNCTION diagnosis_vector_forget();
"""
UNDO = """
DROP TRIGGER IF EXISTS diagnosis_vector_forget ON diagnosis_analysis;
DROP FUNCTION IF EXISTS diagnosis_vector_forget;
DROP TABLE IF EXISTS diagnosis_vector;
"""


def create(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql" or not extension(connection):
        return
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        rows = apps.get_model("diagnosis", "Analysis").objects.filter(embedding__isnull=False)
        for pk, data in rows.values_list("pk", "embedding").iterator():
            text = str(array.array("f", bytes(data)).tolist())
            cursor.execute("INSERT INTO diagnosis_vector VALUES (%s, %s)", [pk, text])


def extension(connection):
    """True when the extension is there now; without the right to create it the search stays in the process."""
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
            if cursor.fetchone() is None:
                return False
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except DatabaseError:
        return False
    return True


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(UNDO)


class Migration(migrations.Migration):
    dependencies = [
        ("diagnosis", "0010_intake_asked_at"),
    ]

    operations = [
        migrations.CreateModel(
            name="AnalysisVector",
            fields=[
                ("analysis_id", models.UUIDField(primary_key=True, serialize=False)),
                ("embedding", pgvector.django.VectorField()),
            ],
            options={
                "db_table": "diagnosis_vector",
                "managed": False,
            },
        ),
        migrations.RunPython(create, drop),
    ]
