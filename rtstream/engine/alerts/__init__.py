"""Events and alerts: the service, the evaluators and what a firing writes."""
