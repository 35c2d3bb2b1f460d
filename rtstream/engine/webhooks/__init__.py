"""Webhook deliveries: sent from the outbox table, signed and retried."""
