"""ezcold: EzGED COLD launchers as Apache Airflow DAGs. Nothing lost, nothing twice, nothing silent."""

__version__ = "0.1.0"
