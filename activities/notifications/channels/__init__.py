"""Channels: one module each, with its table of the file of channels and its sender."""

from typing import Annotated, get_args

from pydantic import Field

from activities.notifications.channels.apprise import AppriseConfig
from activities.notifications.channels.base import ChannelConfig
from activities.notifications.channels.log import LogConfig
from activities.notifications.channels.sms import SmsConfig
from activities.notifications.channels.webhook import WebhookConfig

AnyConfig = Annotated[AppriseConfig | SmsConfig | WebhookConfig | LogConfig, Field(discriminator="kind")]
"""Every kind of channel. A new module is added to this list and nowhere else."""
CONFIGS: dict[str, type[ChannelConfig]] = {
    get_args(config.model_fields["kind"].annotation)[0]: config for config in get_args(get_args(AnyConfig)[0])
}
