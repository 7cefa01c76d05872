"""The kinds of event of this app."""

from django.conf import settings

from ingest.families.declaration import EventKind
from ingest.families.game_events.handler import GamePayload, game_event_link, store_game_events
from ingest.families.game_events.listing import GAME_EVENTS
from ingest.families.product_events.handler import product_event_link, store_product_events
from ingest.families.product_events.listing import PRODUCT_EVENTS
from ingest.families.product_events.schema import ProductPayload
from ingest.families.product_events.unknown_fields import RowsWithUnknownFields
from ingest.parsing.forms import EventForm
from processing.domain.families import register

GAME = register(
    EventKind(
        name="game",
        schema=GamePayload,
        handler=store_game_events,
        form=EventForm(path="game-events", user="playerId"),
        listing=GAME_EVENTS,
        admin_link=game_event_link,
    )
)
PRODUCT = register(
    EventKind(
        name="product",
        schema=ProductPayload,
        handler=store_product_events,
        form=EventForm(path="product-events", event_id="required"),
        topic=settings.KAFKA_PRODUCT_TOPIC,
        listing=PRODUCT_EVENTS,
        admin_link=product_event_link,
        metrics=(RowsWithUnknownFields(),),
    )
)
