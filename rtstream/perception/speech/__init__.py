"""Speech providers: the built-in one, Whisper models, compatible servers and AssemblyAI."""
