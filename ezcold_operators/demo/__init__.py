"""`make demo`: a mail server with French mails, a folder of scans, Airflow, two runs, and what came of them."""
