from obstore.store import S3Store
from probe import ENDPOINT, run

store = S3Store(
    "data", endpoint=ENDPOINT, virtual_hosted_style_request=False, client_options={"allow_http": True}, retry_config={"max_retries": 0},
)
run(lambda: store.head("hello.txt"))
