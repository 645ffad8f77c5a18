"""Puts the courier together: one lane to the log, or one for each channel of the operator's file."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import httpx

from activities.notifications.caller_links import Links
from activities.notifications.channel_file import AnyChannel, AppriseChannel, ChannelFile, SmsChannel, WebhookChannel
from activities.notifications.channel_file import LogChannel as LogPart
from activities.notifications.channels.apprise_sender import AppriseSender
from activities.notifications.channels.http_sender import SmsSender, WebhookSender
from activities.notifications.channels.log_channel import LogChannel
from activities.notifications.courier import Courier
from activities.notifications.lane import Channel, GiveUp, Lane, Mailbox, now
from activities.notifications.postman import Letter, Postman, Sender
from activities.notifications.rendering import Templates
from activities.notifications.routing import ParcelBox, ParcelLog, Spreader
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore
from hotline.files.channels import load_channels
from hotline.settings import Settings
from readmodel.deliveries import Parcel
from readmodel.writer import GroupWriter


class Post(NamedTuple):
    """How messages leave the house, as the operator wrote it down."""

    file: ChannelFile
    templates: Templates

    def letter(self, parcel: Parcel) -> Letter:
        """The parcel in the words and the language of its route."""
        message = parcel.message
        route = self.file.route(message.recipient)
        # The route may be gone since the parcel was made.
        language = route.language if route else "both"
        subject, text = self.templates.subject(parcel, language), self.templates.text(parcel, language)
        facts = (message.key, message.number, message.kind, message.recipient, message.created_at)
        return Letter(*facts, subject, text, parcel.phone)


def load_post(settings: Settings) -> Post | None:
    """What the files say; None where there is none, and all goes to the log.

    The catalogue in force says which number callers dial, and in which time zone they live. Raises ChannelsError,
    TemplatesError, CatalogueError.
    """
    if settings.channels is None:
        return None
    in_force = CatalogueInForce.open(CatalogueStore(settings.catalogues_dir), settings.catalogue)
    file = load_channels(settings.channels).at_home_in(in_force.catalogue.calendar.timezone)
    links = Links(settings.links_secret_file)

    def link(parcel: Parcel) -> str:
        """Of the message's own instant: sent again, it is the same message to the letter."""
        text, _ = links.make(parcel.number, parcel.cycle, parcel.message.created_at)
        return f"{settings.public_url}/c/{text}"

    def hotline() -> str:
        return in_force.catalogue.hotline

    return Post(file, Templates(settings.templates, file.quiet_hours.time_zone, link, hotline))


@asynccontextmanager
async def courier(
    writer: GroupWriter, settings: Settings, give_up: GiveUp, clock: Callable[[], datetime] = now
) -> AsyncIterator[Courier]:
    """The courier of these settings, until the context ends. Raises ChannelsError, TemplatesError, CatalogueError."""
    post = load_post(settings)
    poll: dict[str, Any] = {"poll_seconds": settings.courier_poll_seconds}
    usual = poll | {"max_tries": settings.courier_max_tries}
    log = LogChannel(settings.notification_log)
    if post is None:
        yield Courier(writer, Lane(Mailbox(writer), log, give_up, batch=settings.courier_batch, **usual))
        return
    file = post.file
    boxes = {name: ParcelBox(writer, name, partial(file.quiet_until, name), clock) for name in file.channels}
    spreader = Spreader(writer, file.channels_to, tuple(boxes.values()), batch=settings.courier_batch, **poll)
    # Each channel bounds what it has under way; in a common bound, one that hangs would take the others' places.
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as http:
        lanes = []
        for name, channel in file.channels.items():
            way: Channel[Parcel] = (
                ParcelLog(log) if isinstance(channel, LogPart) else _postman(name, channel, post, http)
            )
            lanes.append(Lane(boxes[name], way, give_up, batch=_batch(channel, settings), **usual))
        yield Courier(writer, spreader, *lanes, channels=tuple(boxes))


def _batch(channel: AnyChannel, settings: Settings) -> int:
    """What a lane takes at once is what a crash leaves in doubt, so no more than is under way."""
    return settings.courier_batch if isinstance(channel, LogPart) else channel.concurrency


def _postman(
    name: str, channel: AppriseChannel | SmsChannel | WebhookChannel, post: Post, http: httpx.AsyncClient
) -> Postman:
    sender: Sender
    match channel:
        case AppriseChannel():
            sender = AppriseSender(channel)
        case SmsChannel():
            sender = SmsSender(name, channel, http)
        case WebhookChannel():
            sender = WebhookSender(channel, http)
    return Postman(sender, post.letter)
