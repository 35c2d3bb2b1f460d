"""One-shot work on recorded footage: frames, audio and exports."""
