"""A topic of Amazon SNS (moto), and a queue that subscribes to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from servicemanager.alerts.sns import Sns, SnsAccess
from support.s3server import ACCESS_KEY, SECRET

REGION = "sa-east-1"


def access(endpoint: str) -> SnsAccess:
    return SnsAccess(REGION, ACCESS_KEY, SECRET, use_tls=False, endpoint=endpoint)


@pytest.fixture
def topic(s3_server, no_ambient_aws) -> Iterator[tuple[Sns, Any]]:
    """A topic with a queue that subscribes to it, and the queue's messages as a function."""
    import boto3

    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET}
    queues = boto3.client("sqs", region_name=REGION, endpoint_url=s3_server.url, **keys)
    client = access(s3_server.url).client()
    name = f"meccano-{uuid4().hex[:8]}"  # all tests share the server, which forgets nothing
    arn = client.create_topic(Name=name)["TopicArn"]
    queue = queues.create_queue(QueueName=name)["QueueUrl"]
    to = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=to)

    def received() -> list[tuple[str, str]]:
        found = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        documents = [json.loads(message["Body"]) for message in found]
        return [(document["Subject"], document["Message"]) for document in documents]

    yield Sns(arn, access(s3_server.url)), received
    client.close()
    queues.close()
