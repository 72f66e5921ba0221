"""Where choices come from: people, and simulated people who are always called simulated."""
