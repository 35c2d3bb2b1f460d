"""Object detection providers. Empty until object detection is added."""
