"""The pages inside Airflow: FastAPI routes, Jinja templates, static files. Imported by the API server only."""
