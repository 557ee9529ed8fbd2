"""Real servers, drawn photos and ready-made rows for tests."""
