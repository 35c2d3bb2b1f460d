"""What a client can read and subscribe to: the catalogue, the live channels, prompts."""
