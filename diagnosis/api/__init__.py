"""The partner API, one module per resource (docs/API.md). Routes: smartderma/api_urls.py."""
