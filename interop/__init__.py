"""`make interop`: other people's clients, serializers and SDKs, let loose on the door and on a real Kafka."""
