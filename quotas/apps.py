"""The app of limits."""

from django.apps import AppConfig


class QuotasConfig(AppConfig):
    name = "quotas"
