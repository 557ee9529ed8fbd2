from django.apps import AppConfig


class DiagnosisConfig(AppConfig):
    name = "diagnosis"
    verbose_name = "Cases, analyses and reviews"

    def ready(self) -> None:
        from accounts import registry
        from diagnosis.own_data import own_data, research_data

        registry.register(self.name, own_data())
        registry.register(f"{self.name}.research", research_data())
