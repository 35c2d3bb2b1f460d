"""Speech engines beside the embedded one: faster-whisper, servers with the OpenAI call, AssemblyAI."""
