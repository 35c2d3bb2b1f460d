"""Webhooks of alerts and of health: their deliveries and the HTTP requests that carry them."""

from rtstream.engine.webhooks.health import HealthWebhook
from rtstream.engine.webhooks.sender import WebhookSender
from rtstream.engine.webhooks.service import WebhookService

__all__ = ["HealthWebhook", "WebhookSender", "WebhookService"]
