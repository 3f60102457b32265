"""A night as a DAG of Airflow 3, with the standard provider. One at a time; nothing is made up for missed nights.

The operator's machine needs `ray` of the cluster's version, the token (RAY_AUTH_MODE, RAY_AUTH_TOKEN_PATH) and a way to
the job server; set both in the environment of Airflow's workers. `ray job submit` tells 0 from 1 alone, so that Airflow
could not tell what is worth another try: again.py does, on the head, and Airflow tries nothing again.

A task that is cleared, or that ran into the timeout, ends here and not on the cluster: stop its job as well, by
`ray job stop night-…`. Until then the next night ends with exit code 5, because the job still holds the lease.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id="wsvad_night",
    schedule="30 1 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=23),
    default_args={"retries": 0},
    tags=["wsvad"],
):
    BashOperator(
        task_id="rescore",
        env={"RAY_API_SERVER_ADDRESS": "http://127.0.0.1:8265"},
        append_env=True,
        bash_command=(
            "ray job submit --submission-id night-{{ ti.id }}-try-{{ ti.try_number }} -- "
            "python /opt/wsvad/again.py --on 4 --times 3 --wait-s 300 -- "
            "wsvad rescore --config /etc/wsvad/night.toml --json"
        ),
    )
