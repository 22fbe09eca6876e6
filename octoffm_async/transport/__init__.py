"""HTTP: connections, requests and answers, and nothing of the API."""
