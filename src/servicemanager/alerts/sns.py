"""Amazon SNS. The region is that of the topic's ARN; no error of boto3 leaves this module, and no secret."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from servicemanager.errors import ChannelRefused, NotDelivered

_SECONDS: Final = 10

#: Answers that do not change before a person puts something right, by SNS's code.
_REFUSALS: Final = {
    "NotFound": "the topic does not exist: correct aws.topicArn",
    "NotFoundException": "the topic does not exist: correct aws.topicArn",
    "InvalidParameter": "SNS does not take the message or the topic's name: check aws.topicArn",
    "InvalidParameterValue": "SNS does not take the message or the topic's name: check aws.topicArn",
    "AuthorizationError": "these credentials may not publish: allow sns:Publish on the topic",
    "AuthorizationErrorException": "these credentials may not publish: allow sns:Publish on the topic",
    "AccessDenied": "these credentials may not publish: allow sns:Publish on the topic",
    "AccessDeniedException": "these credentials may not publish: allow sns:Publish on the topic",
    "InvalidClientTokenId": "AWS does not know this access key: correct aws.accessKeyId",
    "SignatureDoesNotMatch": "access key and secret don't fit together: correct aws.secretAccessKey",
    "EndpointDisabled": "the endpoint is disabled: enable it",
    "NoCredentialsError": "there are no AWS credentials: set aws.accessKeyId and aws.secretAccessKey, or give a role",
    "PartialCredentialsError": "half of the AWS credentials is missing: set both aws.accessKeyId and its secret",
}


@dataclass(frozen=True)
class SnsAccess:
    """How to reach SNS; secrets stay out of every repr."""

    region: str
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    use_tls: bool = True
    endpoint: str | None = None

    def client(self) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        session = Session(self.access_key_id, self.secret_access_key, region_name=self.region)
        config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 1})
        return session.client("sns", use_ssl=self.use_tls, endpoint_url=self.endpoint, config=config)


@dataclass(frozen=True)
class Sns:
    """One topic."""

    topic: str
    access: SnsAccess
    name: str = "sns"

    def send(self, subject: str, body: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        order = {}
        if self.topic.endswith(".fifo"):
            digest = sha256(f"{subject}\n{body}".encode("utf-8", "backslashreplace")).hexdigest()
            order = {"MessageGroupId": "servicemanager", "MessageDeduplicationId": digest}
        try:
            with closing(self.access.client()) as client:
                answer = client.publish(TopicArn=self.topic, Subject=subject, Message=body, **order)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            raise _translated(code) from error
        except (BotoCoreError, ValueError) as error:
            raise _translated(type(error).__name__) from error
        return f"SNS took it as message {answer['MessageId']}"


def _translated(code: str) -> NotDelivered:
    if code in _REFUSALS:
        return ChannelRefused(f"SNS refuses the message ({code}): {_REFUSALS[code]}.")
    return NotDelivered(f"SNS did not take the message ({code or 'no answer'}): it is tried again.")
