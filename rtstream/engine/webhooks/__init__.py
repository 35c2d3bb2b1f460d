"""Webhooks: their deliveries and the HTTP requests that carry them."""

from rtstream.engine.webhooks.service import WebhookService

__all__ = ["WebhookService"]
