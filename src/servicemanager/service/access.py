"""How AWS is reached, from the settings."""

from __future__ import annotations

from servicemanager.archive.s3 import S3Access
from servicemanager.config import Aws


def s3_access(aws: Aws) -> S3Access:
    return S3Access(
        region=aws.region,
        access_key_id=aws.access_key_id.get_secret_value() if aws.access_key_id else None,
        secret_access_key=aws.secret_access_key.get_secret_value() if aws.secret_access_key else None,
        use_tls=aws.ssl_enabled,
        endpoint=aws.endpoint,
    )
